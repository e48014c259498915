import { create, toBinary, type DescMessage, type MessageInitShape } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { LinkRepositoryToObjectPoolRequestSchema } from '../../src/gen/gitaly/objectpool_pb.ts';
import { headerField } from '../../src/proxy/wire/hpack/header-field.ts';
import type { ServerCall } from '../../src/proxy/relay/server-call.ts';
import { statusCodes } from '../../src/rpc/status.ts';
import { requestAbout } from '../support/requests.ts';
import { ScriptedCluster } from '../support/scripted-cluster.ts';
import { ignoreRequest, type ReceivedCall } from '../support/scripted-storage.ts';

const { INVALID_ARGUMENT, NOT_FOUND, ALREADY_EXISTS, UNAVAILABLE, UNIMPLEMENTED } = statusCodes;
const { DEADLINE_EXCEEDED, INTERNAL, RESOURCE_EXHAUSTED, FAILED_PRECONDITION } = statusCodes;
const none = Buffer.alloc(0);
const known = 'group/project.git';

const read = '/gitaly.RefService/FindDefaultBranchName';
const write = '/gitaly.RepositoryService/WriteRef';
const creation = '/gitaly.RepositoryService/CreateRepository';
const maintenance = '/gitaly.RepositoryService/OptimizeRepository';
const link = '/gitaly.ObjectPoolService/LinkRepositoryToObjectPool';
const storageRead = '/gitaly.RemoteService/FindRemoteRepository';
const storageWrite = '/gitaly.InternalGitaly/StorePoolMetadata';

function encode<M extends DescMessage>(schema: M, message: MessageInitShape<M>): Uint8Array {
  return toBinary(schema, create(schema, message));
}

function linkTo(storageName: string, relativePath: string): Uint8Array {
  return encode(LinkRepositoryToObjectPoolRequestSchema, {
    repository: { storageName: 'default', relativePath: known },
    objectPool: { repository: { storageName, relativePath } },
  });
}

/** A text at a field of a message. */
function textField(field: number, text: string): Uint8Array {
  return Buffer.concat([Buffer.from([(field << 3) | 2, text.length]), Buffer.from(text)]);
}

/** The calls of a method that the storages got. What the proxy asks on its own account goes on beside it. */
function receivedBy({ storages }: ScriptedCluster, method: string): readonly ReceivedCall[] {
  return storages.flatMap(({ calls }) => calls).filter(({ path }) => path === method);
}

describe('a call that cannot be routed', () => {
  let cluster: ScriptedCluster;
  beforeAll(async () => {
    cluster = await ScriptedCluster.start();
    await cluster.addRepository(known);
  });
  afterAll(() => cluster.stop());

  test.each([
    ['read without a repository', read, none, INVALID_ARGUMENT, 'repository not set'],
    ['write without a repository', write, none, INVALID_ARGUMENT, 'repository not set'],
    ['empty repository', read, requestAbout('', ''), INVALID_ARGUMENT, 'repository not set'],
    ['no storage', write, requestAbout(known, ''), INVALID_ARGUMENT, 'storage name not set'],
    ['no path', read, requestAbout(''), INVALID_ARGUMENT, 'repository path not set'],
    [
      'unknown virtual storage',
      maintenance,
      requestAbout(known, 'other'),
      INVALID_ARGUMENT,
      'storage name not found',
    ],
    ['read of nothing', read, requestAbout('missing.git'), NOT_FOUND, 'repository not found'],
    ['write to nothing', write, requestAbout('missing.git'), NOT_FOUND, 'repository not found'],
    [
      'maintenance of nothing',
      maintenance,
      requestAbout('missing.git'),
      NOT_FOUND,
      'repository not found',
    ],
    [
      'second repository that is not there',
      link,
      linkTo('default', '@pools/missing.git'),
      NOT_FOUND,
      'additional repository not found',
    ],
    [
      'second repository in another virtual storage',
      link,
      linkTo('other', '@pools/missing.git'),
      INVALID_ARGUMENT,
      'resolving additional repository on different storage than target repository is not supported',
    ],
    [
      'creation of what is there',
      creation,
      requestAbout(known),
      ALREADY_EXISTS,
      'repository already exists',
    ],
    [
      'storage as a whole, without one',
      storageRead,
      textField(2, ''),
      INVALID_ARGUMENT,
      'storage scoped: target storage is invalid',
    ],
    [
      'storage as a whole, unknown',
      storageRead,
      textField(2, 'other'),
      INVALID_ARGUMENT,
      'virtual storage does not exist',
    ],
  ])('%s', async (_, path, message, code, text) => {
    const answer = await cluster.call(path, message);
    expect({ code: answer.code, message: answer.message }).toEqual({
      code,
      message: expect.stringMatching(new RegExp(`${text}$`)),
    });
    expect(receivedBy(cluster, path)).toEqual([]);
  });

  test('change of a storage as a whole', async () => {
    const { code } = await cluster.call(storageWrite, textField(1, 'default'));
    expect(code).toBe(UNIMPLEMENTED);
  });

  test('call whose time is up', async () => {
    const running = await ScriptedCluster.start();
    try {
      await running.addRepository(known);
      for (const storage of running.storages) storage.answer = ignoreRequest;
      for (const path of [read, write, maintenance]) {
        const headers = { 'grpc-timeout': '100m' };
        const { code } = await running.call(path, requestAbout(known), { headers });
        expect([path, code]).toEqual([path, DEADLINE_EXCEEDED]);
      }
    } finally {
      await running.stop();
    }
  });
});

describe('a status of a storage', () => {
  let cluster: ScriptedCluster;
  beforeAll(async () => {
    cluster = await ScriptedCluster.start();
    await cluster.addRepository(known);
  });
  afterAll(() => cluster.stop());

  const details = Buffer.from('any message of google.rpc.Status').toString('base64');

  /** Ends with a status, its details and other trailers, as Gitaly does. */
  function failWith(code: number) {
    return (call: ServerCall) => {
      const trailers = [
        headerField('grpc-status', String(code)),
        headerField('grpc-message', 'in Gitaly%27s own words: 100%25'),
        headerField('grpc-status-details-bin', details),
        headerField('x-gitaly-cost', '7'),
      ];
      call.sendTrailers(trailers, code);
    };
  }

  test.each([
    ['a read', read],
    ['a write', write],
    ['maintenance', maintenance],
  ])('reaches the client of %s unchanged, with its details and other trailers', async (_, path) => {
    const codes = [
      NOT_FOUND,
      FAILED_PRECONDITION,
      INTERNAL,
      RESOURCE_EXHAUSTED,
      10,
      9,
      UNAVAILABLE,
    ];
    for (const code of codes) {
      for (const storage of cluster.storages) storage.answer = failWith(code);
      const answer = await cluster.call(path, requestAbout(known));
      expect(answer).toMatchObject({
        code,
        message: "in Gitaly's own words: 100%",
        fields: { 'grpc-status-details-bin': details, 'x-gitaly-cost': '7' },
      });
    }
  });

  test('says no more than the one storage that was asked, unless it cannot serve at all', async () => {
    const asked = async (code: number) => {
      for (const storage of cluster.storages) {
        storage.calls.length = 0;
        storage.answer = failWith(code);
      }
      await cluster.call(read, requestAbout(known));
      return receivedBy(cluster, read).length;
    };
    expect(await asked(UNAVAILABLE)).toBe(3);
    for (const code of [RESOURCE_EXHAUSTED, INTERNAL, NOT_FOUND, FAILED_PRECONDITION]) {
      expect([code, await asked(code)]).toEqual([code, 1]);
    }
  });
});

describe('a call that no storage can serve', () => {
  let cluster: ScriptedCluster;
  beforeAll(async () => {
    cluster = await ScriptedCluster.start();
    await cluster.addRepository(known);
    await cluster.stopStorage('gitaly-0');
  });
  afterAll(() => cluster.stop());

  test('is a read for the primary, which cannot be reached', async () => {
    const headers = { 'gitaly-route-repository-accessor-policy': 'primary-only' };
    expect(await cluster.call(read, requestAbout(known), { headers })).toMatchObject({
      code: UNAVAILABLE,
      message: 'the primary gitaly-0 cannot be reached',
    });
  });

  test('is none yet while another replica in sync is left', async () => {
    const { code } = await cluster.call(read, requestAbout(known));
    expect(code).toBe(statusCodes.OK);
  });

  test('is a write with fewer replicas than are required', async () => {
    await cluster.stopStorage('gitaly-1');
    expect(await cluster.call(write, requestAbout(known))).toMatchObject({
      code: UNAVAILABLE,
      message: 'a write needs 2 in-sync replicas, and 1 of 3 can be reached',
    });
    expect(await cluster.call(creation, requestAbout('new.git'))).toMatchObject({
      code: UNAVAILABLE,
      message: 'a new repository needs 2 storages, and 1 of 3 can be reached',
    });
  });

  test('is any call once none is left', async () => {
    await cluster.stopStorage('gitaly-2');
    const names = 'gitaly-0, gitaly-1, gitaly-2';
    const refusal = {
      code: UNAVAILABLE,
      message:
        `none of the in-sync replicas (${names}) can be reached: bring one of them back, ` +
        'or, if they are lost, see "gitaly-ha repository dataloss", ' +
        'and give up what only they hold with "gitaly-ha repository accept-dataloss"',
    };
    expect(await cluster.call(read, requestAbout(known))).toMatchObject(refusal);
    expect(await cluster.call(write, requestAbout(known))).toMatchObject(refusal);
    expect(await cluster.call(maintenance, requestAbout(known))).toMatchObject({
      code: UNAVAILABLE,
      message: `none of the replicas (${names}) can be reached`,
    });
    expect(await cluster.call(storageRead, textField(2, 'default'))).toMatchObject({
      code: UNAVAILABLE,
      message: 'accessor storage scoped: route storage accessor "default": no healthy nodes',
    });
  });
});
