import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Scope } from '../../src/base/scope.ts';
import { createGitalyClient, type GitalyClient } from '../../src/client/gitaly-client.ts';
import { startStorageNode } from '../storage-node/start.ts';
import { importHistory, incompressibleCommit, manyCommits } from '../support/generated-history.ts';
import { GitUser } from '../support/git-user.ts';
import { useDatabase } from '../support/postgres.ts';
import { ProxyProcess } from '../support/proxy-process.ts';
import { startStalledFetch } from '../support/stalled-fetch.ts';
import { patience } from '../support/steady-load.ts';

const clientToken = 'token of the clients';
const gitalyToken = 'token of the storages';
const limitMs = 300_000;

/** What garbage may add before it is collected: far less than what the large transfer moves. */
const maxGrowthMiB = 64;

const database = useDatabase();
const scope = new Scope();
let proxy: ProxyProcess;
let client: GitalyClient;
let user: GitUser;

beforeAll(async () => {
  const root = await mkdtemp(join(tmpdir(), 'large-transfer-'));
  scope.onStop(() => rm(root, { recursive: true, force: true }));
  const storages = [];
  for (const name of ['gitaly-0', 'gitaly-1']) {
    const options = { name, root: join(root, name), token: gitalyToken };
    const { address } = scope.own(await startStorageNode(options));
    storages.push({ name, address: `tcp://${address}` });
  }
  const policy = { replicationFactor: 2, minInSyncReplicas: 2 };
  proxy = scope.own(
    await ProxyProcess.start({
      virtualStorages: [{ name: 'default', ...policy, storages }],
      store: database.coordinates,
      clientToken,
      gitalyToken,
    }),
  );
  const address = `127.0.0.1:${proxy.grpcPort}`;
  client = scope.own(
    createGitalyClient({ address: `tcp://${address}`, token: clientToken, ...patience }),
  );
  user = scope.own(await GitUser.create({ address, token: clientToken }));
}, limitMs);

afterAll(() => scope.stop(), limitMs);

/** Pushes a history to a new repository, clones it, and tells how much memory that took, in MiB. */
async function transfer(name: string, history: Iterable<Buffer>) {
  const relativePath = `${name}.git`;
  await client.repository.createRepository({
    repository: { storageName: 'default', relativePath },
    defaultBranch: Buffer.from('main'),
  });
  const source = join(user.folder, name);
  const url = user.url(relativePath);
  await user.git(['init', '-q', '--bare', '-b', 'main', source]);
  await importHistory(source, history);
  const push = await user.peakOf(['push', '-q', url, 'main'], { cwd: source });
  const proxyAfterPush = await proxy.peakMiB();
  const cloned = join(user.folder, `${name}-clone`);
  const clone = await user.peakOf(['clone', '-q', '--bare', url, cloned]);
  const peaks = { push, clone, proxyAfterPush, proxyAfterClone: await proxy.peakMiB() };
  const commit = await tip(cloned);
  expect(commit).toBe(await tip(source));
  const commits = Number(await user.git(['rev-list', '--count', 'main'], { cwd: cloned }));
  await rm(source, { recursive: true });
  await rm(cloned, { recursive: true });
  return { relativePath, commit, commits, peaks };
}

const tip = (cwd: string) => user.git(['rev-parse', 'main'], { cwd });

describe('the memory of the proxy and of the client', () => {
  it(
    'does not depend on how much is pushed and cloned',
    async () => {
      const { peaks: small } = await transfer('small', incompressibleCommit(20));
      const { peaks: large } = await transfer('large', incompressibleCommit(200));
      expect(large.proxyAfterPush - small.proxyAfterClone).toBeLessThan(maxGrowthMiB);
      expect(large.proxyAfterClone - small.proxyAfterClone).toBeLessThan(maxGrowthMiB);
      expect(large.push - small.push).toBeLessThan(maxGrowthMiB);
      expect(large.clone - small.clone).toBeLessThan(maxGrowthMiB);
    },
    limitMs,
  );

  it(
    'does not depend on how much waits for clients that do not read',
    async () => {
      const { relativePath, commit } = await transfer('unread', incompressibleCommit(20));
      const beforeMiB = await proxy.peakMiB();
      const fetches = await Promise.all(
        Array.from({ length: 8 }, () => startStalledFetch(client, relativePath, commit)),
      );
      // Somebody who reads is served meanwhile.
      await user.git(['clone', '-q', '--bare', user.url(relativePath), 'read']);
      for (const { cancel } of fetches) cancel();
      await Promise.allSettled(fetches.map(({ ended }) => ended));
      // 8 times 20 MiB, had it been taken in.
      expect((await proxy.peakMiB()) - beforeMiB).toBeLessThan(maxGrowthMiB);
    },
    limitMs,
  );

  it(
    'does not depend on the number of commits',
    async () => {
      const beforeMiB = await proxy.peakMiB();
      const { commits, peaks } = await transfer('long', manyCommits(20_000));
      expect(commits).toBe(20_000);
      expect(peaks.proxyAfterClone - beforeMiB).toBeLessThan(maxGrowthMiB);
    },
    limitMs,
  );
});
