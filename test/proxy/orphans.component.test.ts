import { execFile } from 'node:child_process';
import { access, mkdir, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeAll, expect, it } from '@jest/globals';
import type { Orphan } from '../../src/gen/gitaly_operator/v1/admin_pb.ts';
import { connect, migrate } from '../../src/proxy/store/testing.ts';
import { statusCodes } from '../../src/rpc/status.ts';
import { useDatabase } from '../support/postgres.ts';
import { ProxyCluster, waitUntil } from '../support/proxy-cluster.ts';

const run = promisify(execFile);
const repository = { storageName: 'default', relativePath: 'group/project.git' };
const longAgo = new Date('2020-01-01T00:00:00Z');

const database = useDatabase();
beforeAll(() => migrate(database.coordinates));

let cluster: ProxyCluster | undefined;
afterEach(async () => {
  await cluster?.stop();
  cluster = undefined;
});

async function makeRepository(folder: string, changed?: Date): Promise<void> {
  await mkdir(folder, { recursive: true });
  await run('git', ['init', '--quiet', '--bare', folder]);
  if (changed !== undefined) await utimes(folder, changed, changed);
}

const exists = (folder: string) =>
  access(folder).then(
    () => true,
    () => false,
  );

it('finds what a removal left on a storage, and removes only that, and only when asked', async () => {
  cluster = await ProxyCluster.start({
    openStore: () => connect(database.coordinates),
    minInSyncReplicas: 1,
  });
  const client = cluster.client();
  const { storagePath } = cluster.node('gitaly-1');
  const pathOf = async (relativePath: string) => {
    const filter = { virtualStorage: 'default', relativePath };
    for await (const { replicaPath } of client.admin.listRepositories(filter)) return replicaPath;
    throw new Error(`${relativePath} is not listed`);
  };
  const on = (path: string) => join(storagePath, path);
  // Further ones, so that there is more than one page.
  for (let index = 0; index < 3; index++) {
    const further = { storageName: 'default', relativePath: `group/${index}.git` };
    await client.repository.createRepository({ repository: further });
  }
  await client.repository.createRepository({ repository });
  const kept = await pathOf('group/0.git');
  const left = await pathOf(repository.relativePath);
  await utimes(on(kept), longAgo, longAgo);
  await client.repository.removeRepository({ repository });
  await waitUntil('it is gone', async () => !(await exists(on(left))));
  await makeRepository(on(left), longAgo);
  await makeRepository(on('@cluster/repositories/00/00/2000000000'), longAgo);
  await makeRepository(on('@hashed/aa/bb/foreign.git'), longAgo);

  const orphans = async (remove: boolean, storage = 'gitaly-1') => {
    const found: Orphan[] = [];
    const request = { virtualStorage: 'default', storage, remove };
    for await (const orphan of client.admin.findOrphans(request)) found.push(orphan);
    return found.toSorted((a, b) => (a.path < b.path ? -1 : 1));
  };
  const neverGivenOut = expect.stringContaining('never given out');
  const foreign = expect.stringContaining('no cluster of this kind');
  const others = [
    { path: '@cluster/repositories/00/00/2000000000', keptBecause: neverGivenOut, removed: false },
    { path: '@hashed/aa/bb/foreign.git', keptBecause: foreign, removed: false },
  ];
  const modifiedAtMs = BigInt(longAgo.getTime());
  const found = { path: left, modifiedAtMs, keptBecause: '', removed: false };
  const inOrder = <T extends { readonly path: string }>(list: readonly T[]): T[] =>
    list.toSorted((a, b) => (a.path < b.path ? -1 : 1));
  expect(await orphans(false)).toMatchObject(inOrder([...others, found]));
  expect(await exists(on(left))).toBe(true);
  expect(await orphans(true)).toMatchObject(inOrder([...others, { ...found, removed: true }]));
  expect(await exists(on(left))).toBe(false);
  expect(await orphans(true)).toMatchObject(inOrder(others));
  for (const path of [kept, ...others.map((other) => other.path)]) {
    expect(await exists(on(path))).toBe(true);
  }
  expect(await orphans(true, 'gitaly-0')).toEqual([]);
  await expect(orphans(false, 'gitaly-9')).rejects.toMatchObject({
    code: statusCodes.INVALID_ARGUMENT,
  });
});

it('takes a disk with many repositories in pages', async () => {
  cluster = await ProxyCluster.start({ storages: 1, minInSyncReplicas: 1 });
  const client = cluster.client();
  const { storagePath } = cluster.node('gitaly-0');
  const template = join(storagePath, '@hashed/template.git');
  await makeRepository(template);
  const copies = Array.from({ length: 450 }, (_, index) => `@hashed/${index}.git`);
  await run('sh', [
    '-c',
    'for name; do cp -r "$0" "$name"; done',
    template,
    ...copies.map((path) => join(storagePath, path)),
  ]);
  let found = 0;
  const request = { virtualStorage: 'default', storage: 'gitaly-0' };
  for await (const { removed } of client.admin.findOrphans(request)) found += removed ? 0 : 1;
  expect(found).toBe(451);
});
