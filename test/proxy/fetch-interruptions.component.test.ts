import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { statusCodes } from '../../src/rpc/status.ts';
import { eventually } from '../support/eventually.ts';
import { GitCluster } from '../support/git-cluster.ts';
import { startStalledFetch } from '../support/stalled-fetch.ts';

// Each test has git pack, push and pack again so much.
jest.setTimeout(240_000);

const content = randomBytes(16 * 1024 * 1024);

let cluster: GitCluster | undefined;
afterEach(async () => {
  await cluster?.stop();
  cluster = undefined;
});

/** One storage, so that it is known which one serves, and a fetch under way that nobody reads. */
async function start() {
  const running = await GitCluster.start({ storages: 1, minInSyncReplicas: 1 });
  cluster = running;
  const repository = await running.pushed('large', content);
  const { relativePath, head } = repository;
  const fetch = await startStalledFetch(running.client, relativePath, head);
  return { running, node: running.cluster.node('gitaly-0'), ...repository, ...fetch };
}

describe('a fetch that is broken off', () => {
  it('fails at once when its storage dies, and works again when that is back', async () => {
    const { running, node, ended, resume, url, head } = await start();
    await node.kill();
    resume();
    await expect(ended).rejects.toMatchObject({ code: statusCodes.UNAVAILABLE });
    await running.cluster.restartNode(node.name);
    expect(await running.headOf(await running.clone(url, 'again'))).toBe(head);
  });

  it('leaves nothing behind on the storage when the client goes away', async () => {
    const { node, ended, cancel } = await start();
    cancel();
    await expect(ended).rejects.toMatchObject({ code: statusCodes.CANCELLED });
    // It would wait for git, which waits for a reader, had it not heard of the cancellation.
    expect(await node.drain()).toBe(true);
  });
});

describe('a fetch from a storage that is told to stop', () => {
  it('runs to its end, although the storage takes no more calls', async () => {
    const { running, node, ended, resume } = await start();
    const drained = node.drain();
    await eventually('nothing new goes there', async () => {
      const { virtualStorages } = await running.client.admin.getStatus({});
      return virtualStorages[0]?.storages.every(({ healthy }) => !healthy);
    });
    resume();
    expect(await ended).toBe(0);
    expect(await drained).toBe(true);
  });
});

describe('a fetch through a proxy that is told to stop', () => {
  it('runs to its end', async () => {
    const { running, ended, resume } = await start();
    const stopping = running.cluster.proxies[0]?.stop();
    resume();
    expect(await ended).toBe(0);
    await stopping;
  });
});
