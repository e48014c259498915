import { create, toBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from '@jest/globals';
import { recordWith } from '../../../test/support/repository-records.ts';
import {
  FetchIntoObjectPoolRequestSchema,
  LinkRepositoryToObjectPoolRequestSchema,
} from '../../gen/gitaly/objectpool_pb.ts';
import { CreateForkRequestSchema } from '../../gen/gitaly/repository_pb.ts';
import { statusCodes } from '../../rpc/status.ts';
import { lookupMethod } from '../routing/method-table.ts';
import type { RepositoryRecord } from '../routing/repository-record.ts';
import type { RepositoryKey } from '../store/control-store.ts';
import { headerField } from '../wire/hpack/header-field.ts';
import { readCallHead, withPartitioningHint } from './call-head.ts';
import type { RelayContext } from './context.ts';
import { findSecondRepository } from './second-repository.ts';
import type { ServerCall } from './server-call.ts';

const fork = { storageName: 'default', relativePath: 'fork.git' };
const hint = (path: string) => headerField('gitaly-partitioning-hint', path);

/** Looks for the second repository of a call, where `records` are all repositories that there are. */
function find(
  name: string,
  firstMessage: Uint8Array,
  records: readonly RepositoryRecord[],
  ...hints: readonly string[]
) {
  const head = readCallHead(hints.map(hint));
  const call = { head, firstMessage: Buffer.from(firstMessage) };
  const get = async ({ virtualStorage, relativePath }: RepositoryKey) =>
    records.find(
      (record) => record.virtualStorage === virtualStorage && record.relativePath === relativePath,
    );
  const context = { view: { get } };
  const method = lookupMethod(`/gitaly.${name}`);
  return findSecondRepository(call as ServerCall, method, context as RelayContext);
}

function forkOf(storageName: string): Uint8Array {
  const sourceRepository = { storageName, relativePath: 'a.git' };
  const request = { repository: fork, sourceRepository };
  return toBinary(CreateForkRequestSchema, create(CreateForkRequestSchema, request));
}

describe('the second repository', () => {
  const createFork = 'RepositoryService/CreateFork';
  const record = recordWith();

  it('of a call about a pool is opened by the storages', async () => {
    const schema = LinkRepositoryToObjectPoolRequestSchema;
    const objectPool = { repository: { storageName: 'default', relativePath: 'a.git' } };
    const message = toBinary(schema, create(schema, { repository: fork, objectPool }));
    const method = 'ObjectPoolService/LinkRepositoryToObjectPool';
    expect(await find(method, message, [record])).toEqual({ record, standsIn: 'request' });
    await expect(find(method, message, [])).rejects.toMatchObject({
      code: statusCodes.NOT_FOUND,
      message:
        'mutator call: route repository mutator: resolve additional replica path: ' +
        'additional repository not found',
    });
  });

  it('of a call about a pool is in the same virtual storage', async () => {
    const schema = FetchIntoObjectPoolRequestSchema;
    const origin = { storageName: 'other', relativePath: 'a.git' };
    const message = toBinary(schema, create(schema, { origin, objectPool: { repository: fork } }));
    const method = 'ObjectPoolService/FetchIntoObjectPool';
    const other = recordWith({ virtualStorage: 'other' });
    await expect(find(method, message, [other])).rejects.toMatchObject({
      code: statusCodes.INVALID_ARGUMENT,
      message:
        'resolving additional repository on different storage than target repository is not supported',
    });
  });

  it('of a fork is its source, if that is in the same virtual storage', async () => {
    const found = { record, standsIn: 'metadata' };
    expect(await find(createFork, forkOf('default'), [record])).toEqual(found);
    expect(await find(createFork, forkOf('other'), [record])).toBeUndefined();
    await expect(find(createFork, forkOf('default'), [])).rejects.toMatchObject({
      code: statusCodes.NOT_FOUND,
      message: 'route repository creation: additional repository not found',
    });
  });

  it('is the one that a partitioning hint names, before what a fork is made of', async () => {
    const hinted = recordWith({ id: 2n, relativePath: 'hinted.git' });
    const records = [record, hinted];
    const found = { record: hinted, standsIn: 'metadata' };
    expect(await find(createFork, forkOf('default'), records, 'hinted.git')).toEqual(found);
    await expect(find(createFork, forkOf('default'), records, 'a', 'b')).rejects.toMatchObject({
      code: statusCodes.INTERNAL,
      message: 'mutator call: extract partitioning hint: multiple partitioning hints',
    });
  });

  it('is not one that is still being created', async () => {
    const intent = {
      transaction: 't',
      owner: 'o',
      kind: 'creation',
      epoch: 1n,
      voters: [],
    } as const;
    const created = recordWith({ intents: [intent] });
    await expect(find(createFork, forkOf('default'), [created])).rejects.toMatchObject({
      code: statusCodes.NOT_FOUND,
    });
  });
});

it('a partitioning hint goes on as the path on the storages, and only that', () => {
  const head = readCallHead([headerField('a', 'b'), hint('x'), hint('y')]);
  expect(withPartitioningHint(head, '@cluster/repositories/6b/86/1').metadata).toEqual([
    headerField('a', 'b'),
    hint('@cluster/repositories/6b/86/1'),
  ]);
});
