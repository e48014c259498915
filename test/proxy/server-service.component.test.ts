import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { afterEach, describe, expect, test } from '@jest/globals';
import { ServerService } from '../../src/gen/gitaly/server_pb.ts';
import { MemoryDatabase } from '../../src/proxy/store/memory-database.ts';
import { createMemoryStore } from '../../src/proxy/store/memory-store.ts';
import { StoreUnavailableError, type ControlStore } from '../../src/proxy/store/control-store.ts';
import { systemClock } from '../../src/base/clock.ts';
import { statusCodes } from '../../src/rpc/status.ts';
import { unary } from '../storage-node/grpc/handler.ts';
import { ProxyCluster, waitUntil, type ProxyClusterOptions } from '../support/proxy-cluster.ts';

const repository = { storageName: 'default', relativePath: 'group/project.git' };

let cluster: ProxyCluster | undefined;
afterEach(async () => {
  await cluster?.stop();
  cluster = undefined;
});

async function start(options: ProxyClusterOptions = {}) {
  cluster = await ProxyCluster.start(options);
  return { running: cluster, client: cluster.client() };
}

describe('ServerInfo', () => {
  test('shows the virtual storage as one disk, as Praefect does', async () => {
    const { running, client } = await start({ replicationFactor: 2 });
    const expected = {
      serverVersion: '18.9.0',
      gitVersion: expect.stringMatching(/^\d+\.\d+/),
      storageStatuses: [
        {
          storageName: 'default',
          readable: true,
          writeable: true,
          replicationFactor: 3,
          filesystemId: 'd9f04423-6b13-5949-9ffa-c06279e0796e',
        },
      ],
    };
    expect(await client.server.serverInfo({})).toMatchObject(expected);
    await running.node('gitaly-0').stop();
    expect(await client.server.serverInfo({})).toMatchObject(expected);
  });

  test('keeps the only disk that there is as it is', async () => {
    const { running, client } = await start({ storages: 1, minInSyncReplicas: 1 });
    const direct = await running.storageClient('gitaly-0').server.serverInfo({});
    const { storageStatuses } = await client.server.serverInfo({});
    expect(storageStatuses[0]).toMatchObject({
      replicationFactor: 1,
      filesystemId: direct.storageStatuses[0]?.filesystemId,
    });
  });

  test('leaves a virtual storage out of which no storage answers', async () => {
    const { running, client } = await start({ storages: 1, minInSyncReplicas: 1 });
    await running.node('gitaly-0').stop();
    expect((await client.server.serverInfo({})).storageStatuses).toEqual([]);
  });
});

describe('DiskStatistics', () => {
  test('has every storage under its own name, and fails with the name of one that does not answer', async () => {
    const { running, client } = await start();
    const { storageStatuses } = await client.server.diskStatistics({});
    expect(storageStatuses.map(({ storageName }) => storageName)).toEqual([
      'gitaly-0',
      'gitaly-1',
      'gitaly-2',
    ]);
    expect(storageStatuses.every(({ available }) => available > 0n)).toBe(true);
    await running.node('gitaly-1').stop();
    await expect(client.server.diskStatistics({})).rejects.toMatchObject({
      code: statusCodes.UNAVAILABLE,
      message: expect.stringContaining('storage gitaly-1: '),
    });
  });
});

describe('ServerSignature', () => {
  const signing = (keyOf: (storage: string) => string) => ({
    handlers: (storage: string) => [
      unary(ServerService.method.serverSignature, async () => ({
        publicKey: Buffer.from(keyOf(storage)),
      })),
    ],
  });

  test('is the key that all storages have', async () => {
    const { client } = await start(signing(() => 'ssh-ed25519 AAAA'));
    const { publicKey } = await client.server.serverSignature({});
    expect(Buffer.from(publicKey).toString()).toBe('ssh-ed25519 AAAA');
  });

  test('is an error if two storages have different ones', async () => {
    const { client } = await start(signing((storage) => (storage === 'gitaly-2' ? 'b' : 'a')));
    await expect(client.server.serverSignature({})).rejects.toThrow(
      'storages gitaly-0 and gitaly-2 have different signing keys: give every Gitaly the same',
    );
  });
});

describe('ReadinessCheck', () => {
  /** What failed, by the check's name; empty if all is well. */
  async function failures(client: ReturnType<ProxyCluster['client']>, timeoutMs?: number) {
    const { Result } = await client.server.readinessCheck(
      timeoutMs === undefined ? {} : { timeout: durationFromMs(timeoutMs) },
    );
    if (Result.case !== 'failureResponse') return Result.case;
    return Result.value.failedChecks.map(({ name, errorMessage }) => [name, errorMessage]);
  }

  test('passes when all is well', async () => {
    const { client } = await start();
    expect(await failures(client)).toBe('okResponse');
    expect(await failures(client, 10_000)).toBe('okResponse');
  });

  test('names a storage that does not answer, and repositories that nobody can read', async () => {
    const { running, client } = await start({ storages: 1, minInSyncReplicas: 1 });
    await client.repository.createRepository({ repository });
    await running.node('gitaly-0').stop();
    const missing = [
      ['gitaly storages', expect.stringContaining('gitaly-0: ')],
      [
        'unavailable repositories',
        '1 repositories of default have no in-sync replica that can be reached',
      ],
    ];
    await waitUntil('both checks fail', async () => (await failures(client))?.length === 2);
    expect(await failures(client)).toEqual(missing);
    await running.restartNode('gitaly-0');
    await waitUntil('all is well again', async () => (await failures(client)) === 'okResponse');
  });

  test('tells of a disk that cannot be used', async () => {
    const { client } = await start({
      handlers: (storageName) => [
        unary(ServerService.method.serverInfo, async () => ({
          storageStatuses: [{ storageName, readable: true, writeable: storageName !== 'gitaly-1' }],
        })),
      ],
    });
    expect(await failures(client)).toEqual([
      ['gitaly storages', 'gitaly-1 cannot write to its disk'],
    ]);
  });

  test('tells what took longer than it may, and of a store that is away', async () => {
    const database = new MemoryDatabase({ clock: systemClock });
    const waiting: (() => void)[] = [];
    let mode: 'works' | 'silent' | 'away' = 'works';
    const answer = async <T>(work: () => Promise<T>): Promise<T> => {
      if (mode === 'silent') await new Promise<void>((resolve) => waiting.push(resolve));
      if (mode === 'away') throw new StoreUnavailableError(new Error('gone'));
      return work();
    };
    const openStore = async (): Promise<ControlStore> => {
      const store = createMemoryStore({ clock: systemClock, database });
      const { liveOwners, summarize } = store;
      store.liveOwners = () => answer(() => liveOwners.call(store));
      store.summarize = (query) => answer(() => summarize.call(store, query));
      return store;
    };
    const { client } = await start({ openStore });
    mode = 'silent';
    const slow = await failures(client, 50);
    expect(slow).toContainEqual(['control store', 'control store took longer than 50 ms']);
    mode = 'away';
    for (const goOn of waiting) goOn();
    expect(await failures(client)).toEqual([
      ['control store', 'the control store cannot be reached: gone'],
      ['unavailable repositories', 'the control store cannot be reached: gone'],
    ]);
    mode = 'works';
  });
});
