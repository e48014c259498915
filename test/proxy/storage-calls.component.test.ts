import { toBinary, create } from '@bufbuild/protobuf';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { InternalGitaly } from '../../src/gen/gitaly/internal_pb.ts';
import { RepositorySchema } from '../../src/gen/gitaly/shared_pb.ts';
import { encodeStringField, encodeVarint } from '../support/encode-protobuf.ts';
import { encodeMessage } from '../../src/proxy/wire/grpc-frame.ts';
import { statusCodes } from '../../src/rpc/status.ts';
import { authorizationHeader } from '../../src/rpc/token.ts';
import type { Handler } from '../storage-node/grpc/handler.ts';
import { ProxyCluster, waitUntil } from '../support/proxy-cluster.ts';
import { singleCall, type Answer } from '../support/single-call.ts';

const repository = { storageName: 'default', relativePath: 'group/project.git' };
const findRemote = '/gitaly.RemoteService/FindRemoteRepository';
const backup = '/gitaly.RepositoryService/BackupRepository';

interface Received {
  readonly storage: string;
  readonly path: string;
  readonly request: Buffer;
}

let received: Received[] = [];
let cluster: ProxyCluster;

/** Keeps what a storage was asked, and answers with an empty message. */
function keeping(storage: string, path: string): Handler {
  return {
    kind: 'unary',
    path,
    prepare(message) {
      received.push({ storage, path, request: Buffer.from(message) });
      return async () => new Uint8Array();
    },
  };
}

beforeAll(async () => {
  cluster = await ProxyCluster.start({
    handlers: (storage) => [findRemote, backup].map((path) => keeping(storage, path)),
  });
  await cluster.client().repository.createRepository({ repository });
});

afterAll(() => cluster.stop());

beforeEach(() => {
  received = [];
});

function call(path: string, message: Buffer): Promise<Answer> {
  const authorization = authorizationHeader(ProxyCluster.clientToken, Date.now());
  const port = cluster.proxies[0]?.grpcPort ?? 0;
  return singleCall(port, { path, headers: { authorization }, body: encodeMessage(message) });
}

/** The request of a backup: the repository, and another that is no address but a name in the backup. */
function backupOf(storageName: string, relativePath: string): Buffer {
  const encode = (names: { storageName: string; relativePath: string; glRepository?: string }) =>
    Buffer.from(toBinary(RepositorySchema, create(RepositorySchema, names)));
  const field = (number: number, content: Buffer) =>
    Buffer.concat([encodeVarint(number * 8 + 2), encodeVarint(content.length), content]);
  return Buffer.concat([
    field(1, encode({ storageName, relativePath, glRepository: 'project-1' })),
    field(2, encode({ storageName: 'default', relativePath: 'vanity.git' })),
    encodeStringField(3, 'backup-7'),
  ]);
}

describe('a call about a storage as a whole', () => {
  const remote = encodeStringField(1, 'https://git.example.com/a.git');

  test('goes to a storage that is told its own name', async () => {
    const answer = await call(findRemote, Buffer.concat([remote, encodeStringField(2, 'default')]));
    expect(answer).toMatchObject({ code: statusCodes.OK });
    const [{ storage, request } = { storage: '', request: remote }, ...others] = received;
    expect(others).toEqual([]);
    expect(cluster.nodes.map(({ name }) => name)).toContain(storage);
    expect(request).toEqual(Buffer.concat([encodeStringField(2, storage), remote]));
  });

  const { INVALID_ARGUMENT, UNIMPLEMENTED } = statusCodes;
  test.each([
    [
      'names no storage',
      findRemote,
      remote,
      INVALID_ARGUMENT,
      'storage scoped: target storage field not found',
    ],
    [
      'names an empty storage',
      findRemote,
      encodeStringField(2, ''),
      INVALID_ARGUMENT,
      'storage scoped: target storage is invalid',
    ],
    [
      'names an unknown storage',
      findRemote,
      encodeStringField(2, 'other'),
      INVALID_ARGUMENT,
      'virtual storage does not exist',
    ],
    [
      'cannot name a storage',
      '/gitaly.RaftService/GetClusterInfo',
      remote,
      INVALID_ARGUMENT,
      'storage scoped: target storage field not found',
    ],
    [
      'changes one storage',
      '/gitaly.RaftService/JoinCluster',
      encodeStringField(4, 'default'),
      UNIMPLEMENTED,
      '/gitaly.RaftService/JoinCluster changes one storage and is not served for a virtual storage',
    ],
    [
      'is about a partition',
      '/gitaly.PartitionService/BackupPartition',
      encodeStringField(1, 'default'),
      UNIMPLEMENTED,
      '/gitaly.PartitionService/BackupPartition is not served for a virtual storage',
    ],
  ])('that %s is refused', async (_, path, message, code, text) => {
    expect(await call(path, message)).toMatchObject({ code, message: text });
    expect(received).toEqual([]);
  });
});

describe('a backup', () => {
  test('of a repository is a read of one of its replicas', async () => {
    const [listed] = await repositories();
    const answer = await call(backup, backupOf('default', repository.relativePath));
    expect(answer).toMatchObject({ code: statusCodes.OK });
    const [{ storage, request } = { storage: '', request: Buffer.alloc(0) }] = received;
    expect(request).toEqual(backupOf(storage, listed?.replicaPath ?? ''));
  });

  test('of a repository that does not exist is left to a storage, under its own path', async () => {
    const answer = await call(backup, backupOf('default', 'never/made.git'));
    expect(answer).toMatchObject({ code: statusCodes.OK });
    const [{ storage, request } = { storage: '', request: Buffer.alloc(0) }] = received;
    expect(cluster.nodes.map(({ name }) => name)).toContain(storage);
    expect(request).toEqual(backupOf(storage, 'never/made.git'));
  });
});

describe('WalkRepos', () => {
  async function walk(storageName: string) {
    const found = [];
    for await (const it of cluster.rpc(InternalGitaly).walkRepos({ storageName })) found.push(it);
    return found.map(({ relativePath, modificationTime }) => ({ relativePath, modificationTime }));
  }

  test('lists what the virtual storage holds, by the names that clients use', async () => {
    const second = { storageName: 'default', relativePath: 'group/second.git' };
    await cluster.client().repository.createRepository({ repository: second });
    expect(await walk('default')).toEqual([
      { relativePath: 'group/project.git', modificationTime: undefined },
      { relativePath: 'group/second.git', modificationTime: undefined },
    ]);
    await cluster.client().repository.removeRepository({ repository: second });
    expect(await walk('default')).toHaveLength(1);
  });

  test.each([
    ['no storage', '', 'storage name not set'],
    ['an unknown one', 'other', 'virtual storage does not exist'],
  ])('refuses %s, which an empty list would not', async (_, storageName, message) => {
    await expect(walk(storageName)).rejects.toMatchObject({
      code: statusCodes.INVALID_ARGUMENT,
      message: expect.stringContaining(message),
    });
  });
});

test('no storage that can be reached: the call may be made again', async () => {
  const small = await ProxyCluster.start({ storages: 1, minInSyncReplicas: 1 });
  try {
    await small.node('gitaly-0').stop();
    const client = small.client();
    await waitUntil('the loss is known', async () => {
      const { virtualStorages } = await client.admin.getStatus({});
      return virtualStorages[0]?.storages[0]?.healthy === false;
    });
    const authorization = authorizationHeader(ProxyCluster.clientToken, Date.now());
    const answer = await singleCall(small.proxies[0]?.grpcPort ?? 0, {
      path: findRemote,
      headers: { authorization },
      body: encodeMessage(encodeStringField(2, 'default')),
    });
    expect(answer).toMatchObject({
      code: statusCodes.UNAVAILABLE,
      message: 'accessor storage scoped: route storage accessor "default": no healthy nodes',
    });
  } finally {
    await small.stop();
  }
});

async function repositories() {
  const all = [];
  for await (const it of cluster.client().admin.listRepositories({})) all.push(it);
  return all;
}
