import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { create, toBinary, fromBinary } from '@bufbuild/protobuf';
import {
  CreateRepositoryRequestSchema,
  RepositoryExistsRequestSchema,
  RepositoryExistsResponseSchema,
} from '../../src/gen/gitaly/repository_pb.ts';
import { VoteTransactionResponse_TransactionState as State } from '../../src/gen/gitaly/transaction_pb.ts';
import { Peer } from './recordings/peer.ts';
import { type StartedStorageNode, startStorageNode } from './start.ts';

describe('a storage node', () => {
  let root: string;
  let node: StartedStorageNode;
  beforeEach(async () => {
    root = await mkdtemp(path.join(tmpdir(), 'storage-node-'));
    node = await startStorageNode({ name: 'gitaly-1', root });
  });
  afterEach(async () => {
    await node.stop();
    await rm(root, { recursive: true, force: true });
  });

  test('creates a repository after three votes on the same hash', async () => {
    const votes: string[] = [];
    const peer = await Peer.multiplexed(node.address, {
      onVote: async (request) => {
        votes.push(`${request.phase} ${Buffer.from(request.referenceUpdatesHash).toString('hex')}`);
        return State.COMMIT;
      },
      onStop() {},
      onSidechannel() {},
    });
    const repository = { storageName: 'gitaly-1', relativePath: 'a/b.git' };
    const tx = Buffer.from('{"id":1,"node":"gitaly-1","primary":true}').toString('base64');
    const created = await peer.call({
      path: '/gitaly.RepositoryService/CreateRepository',
      headers: { 'gitaly-reference-transaction': tx },
      messages: [
        Buffer.from(
          toBinary(
            CreateRepositoryRequestSchema,
            create(CreateRepositoryRequestSchema, { repository }),
          ),
        ),
      ],
      halfClose: true,
      timeoutMs: 5000,
    });
    expect(created.status).toBeUndefined();
    expect(votes).toEqual(
      [4, 1, 2].map((phase) => `${phase} 4f6b9a82d3ab65826552b709d5b333667fec7aa6`),
    );
    const exists = await peer.call({
      path: '/gitaly.RepositoryService/RepositoryExists',
      headers: {},
      messages: [
        Buffer.from(
          toBinary(
            RepositoryExistsRequestSchema,
            create(RepositoryExistsRequestSchema, { repository }),
          ),
        ),
      ],
      halfClose: true,
      timeoutMs: 5000,
    });
    expect(
      fromBinary(RepositoryExistsResponseSchema, exists.messages[0] ?? new Uint8Array()).exists,
    ).toBe(true);
    peer.cut();
  });
});
