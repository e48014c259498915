import { afterEach, describe, expect, it, jest } from '@jest/globals';
import type { GitalyClient } from '../../src/client/gitaly-client.ts';
import { RpcError } from '../../src/rpc/rpc-error.ts';
import { statusCodes } from '../../src/rpc/status.ts';
import type { FaultAction, Step } from '../storage-node/faults.ts';
import { commitFile } from '../support/commit-file.ts';
import { ProxyCluster, waitUntil } from '../support/proxy-cluster.ts';
import { callTasks, patientMs, SteadyLoad } from '../support/steady-load.ts';

jest.setTimeout(120_000);

const repository = { storageName: 'default', relativePath: 'group/project.git' };
const hang: FaultAction = { kind: 'hang' };

let cluster: ProxyCluster | undefined;
afterEach(async () => {
  await cluster?.stop();
  cluster = undefined;
});

async function start() {
  cluster = await ProxyCluster.start();
  const client = cluster.client(0, { deadlineMs: patientMs });
  await client.repository.createRepository({ repository });
  const commit = await commitFile(client, { repository, branch: 'main', text: 'first' });
  return { running: cluster, client, commit };
}

/** Makes every storage hang at a step, and tells which have come to it and which were cancelled there. */
function hangAt(running: ProxyCluster, { step, method }: Extract<Step, { method: string }>) {
  const reached: string[] = [];
  const cancelled: string[] = [];
  for (const { name, faults } of running.nodes) {
    faults.add({ step, method, action: hang });
    const reach = faults.reach.bind(faults);
    faults.reach = (at, signal) => {
      if (at.step === step && at.method === method) {
        reached.push(name);
        signal.addEventListener('abort', () => cancelled.push(name));
      }
      return reach(at, signal);
    };
  }
  return { reached, cancelled };
}

describe('a call without a time limit that its client cancels', () => {
  it('is cancelled on the storage that serves it, if it is a read', async () => {
    const { running, client } = await start();
    const { reached, cancelled } = hangAt(running, { step: 'call', method: 'FindCommit' });
    const aborter = new AbortController();
    const options = { signal: aborter.signal, deadlineMs: Number.POSITIVE_INFINITY };
    const reading = codeOf(
      client.commit.findCommit({ repository, revision: Buffer.from('main') }, options),
    );
    await waitUntil('the read is there', () => reached.length > 0);
    expect(cancelled).toEqual([]);
    aborter.abort();
    expect(await reading).toBe(statusCodes.CANCELLED);
    await waitUntil('it is cancelled there', () => cancelled.length > 0);
    expect(cancelled).toEqual(reached);
  });

  it('is cancelled on all storages if it is a write, and changes nothing', async () => {
    const { running, client, commit } = await start();
    const { reached, cancelled } = hangAt(running, { step: 'call', method: 'WriteRef' });
    const aborter = new AbortController();
    const options = { signal: aborter.signal, deadlineMs: Number.POSITIVE_INFINITY };
    const ref = Buffer.from('refs/heads/never');
    const writing = codeOf(
      client.repository.writeRef({ repository, ref, revision: Buffer.from(commit) }, options),
    );
    await waitUntil('the write is everywhere', () => reached.length === 3);
    aborter.abort();
    expect(await writing).toBe(statusCodes.CANCELLED);
    await waitUntil('it is cancelled everywhere', () => cancelled.length === 3);
    for (const { faults } of running.nodes) faults.clear();
    expect((await client.ref.refExists({ repository, ref })).value).toBe(false);
  });
});

describe('storages that are told to stop one after the other, under load', () => {
  it('fail no call, whichever is the primary', async () => {
    const { running, client, commit } = await start();
    const load = new SteadyLoad(callTasks('under-drain', client, { repository, commit }));
    try {
      await waitUntil('the load is under way', () => load.fewest >= 2, 60_000);
      for (const { name } of [...running.nodes].toReversed()) {
        await running.node(name).drain();
        await running.node(name).stop();
        await running.restartNode(name);
        await waitUntil(`${name} is in sync again`, () => isWhole(client), 60_000);
      }
    } finally {
      await load.stop();
    }
    expect(load.failures).toEqual([]);
  });
});

/** The status that a call fails with; undefined if it does not. */
async function codeOf(call: Promise<unknown>): Promise<number | undefined> {
  try {
    await call;
    return undefined;
  } catch (error) {
    if (error instanceof RpcError) return error.code;
    throw error;
  }
}

/** Whether every replica is in sync, and every storage serves. */
async function isWhole(client: GitalyClient): Promise<boolean> {
  const filter = { virtualStorage: 'default', relativePath: repository.relativePath };
  const { virtualStorages } = await client.admin.getStatus({});
  if (!virtualStorages[0]?.storages.every(({ healthy }) => healthy)) return false;
  for await (const { replicas } of client.admin.listRepositories(filter)) {
    return replicas.every(({ inSync }) => inSync);
  }
  return false;
}
