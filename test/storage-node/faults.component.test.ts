import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { RepositoryService } from '../../src/gen/gitaly/repository_pb.ts';
import type { VoteTransactionRequest } from '../../src/gen/gitaly/transaction_pb.ts';
import { Code } from './grpc/status.ts';
import { type StartedStorageNode, startStorageNode } from './start.ts';
import { agreeing, callUnary, push, transaction } from './testing/calls.ts';
import { Peer } from './testing/peer.ts';
import { makeSample, readReference, type Sample, zeroId } from './testing/sample.ts';

const { method } = RepositoryService;
const repository = { storageName: 'gitaly-1', relativePath: 'group/project.git' };

describe('a storage node with faults', () => {
  let root: string;
  let node: StartedStorageNode;
  let sample: Sample;
  let repositoryPath: string;

  beforeEach(async () => {
    root = await mkdtemp(path.join(tmpdir(), 'storage-node-'));
    node = await startStorageNode({ name: 'gitaly-1', root });
    sample = await makeSample(root);
    repositoryPath = path.join(node.storagePath, repository.relativePath);
    await sample.install(repositoryPath);
  });

  afterEach(async () => {
    await node.stop();
    await rm(root, { recursive: true, force: true });
  });

  async function withPeer<T>(
    act: (peer: Peer) => Promise<T>,
    onVote?: (vote: VoteTransactionRequest) => Promise<void>,
  ): Promise<T> {
    const peer = await Peer.multiplexed(node.address, agreeing(onVote));
    try {
      return await act(peer);
    } finally {
      peer.cut();
    }
  }

  const pushNext = (peer: Peer, headers: Record<string, string> = {}) => {
    const pushed = { oldId: zeroId, newId: sample.next, pack: sample.nextPack };
    return push(peer, repository, { reference: 'refs/heads/next', ...pushed }, headers);
  };

  test('fails the calls of one method with the status that was asked for, as often as was asked', async () => {
    const action = { kind: 'fail', code: Code.UNAVAILABLE, message: 'not now' } as const;
    node.faults.add({ step: 'call', method: 'RepositoryExists', action, times: 1 });
    await withPeer(async (peer) => {
      const failed = await callUnary(peer, method.repositoryExists, { repository });
      expect(failed.status).toMatchObject({ code: Code.UNAVAILABLE, message: 'not now' });
      const worked = await callUnary(peer, method.repositoryExists, { repository });
      expect(worked.response?.exists).toBe(true);
    });
  });

  test('hangs until the faults are cleared', async () => {
    node.faults.add({ step: 'call', action: { kind: 'hang' } });
    await withPeer(async (peer) => {
      const call = callUnary(peer, method.repositoryExists, { repository });
      const other = { ...repository, relativePath: 'other.git' };
      const late = callUnary(peer, method.repositoryExists, { repository: other });
      const first = await Promise.race([
        call,
        late,
        new Promise((resolve) => setTimeout(resolve, 100)),
      ]);
      expect(first).toBeUndefined();
      node.faults.clear();
      expect((await call).response?.exists).toBe(true);
    });
  });

  test('casts another vote than it should', async () => {
    const hashes: string[] = [];
    const record = async (vote: VoteTransactionRequest) => {
      hashes.push(Buffer.from(vote.referenceUpdatesHash).toString('hex'));
    };
    const headers = transaction('gitaly-1');
    const request = {
      repository,
      ref: Buffer.from('refs/heads/copy'),
      revision: Buffer.from('main'),
    };
    await withPeer((peer) => callUnary(peer, method.writeRef, request, headers), record);
    node.faults.add({ step: 'vote', phase: 'PREPARED', action: { kind: 'differ' } });
    await withPeer((peer) => callUnary(peer, method.writeRef, request, headers), record);
    const [prepared, committed, prepared2, committed2] = hashes;
    expect(prepared).toBe(committed);
    expect(prepared2).not.toBe(prepared);
    expect(committed2).toBe(committed);
  });

  test('refuses a push while the disk is full, and keeps working afterwards', async () => {
    node.faults.setDiskFull(true);
    const refused = await withPeer((peer) => pushNext(peer));
    expect(`${refused.stdout} ${refused.stderr}`).toMatch(/unpack (?!ok)|ng refs\/heads\/next/);
    expect(await readReference(repositoryPath, 'refs/heads/next')).toBeUndefined();
    node.faults.clear();
    const worked = await withPeer((peer) => pushNext(peer));
    expect(worked.stdout).toContain('ok refs/heads/next');
  });

  test.each([
    ['before the vote PREPARED', { step: 'vote', phase: 'PREPARED' }, false],
    ['after the answer to PREPARED', { step: 'voted', phase: 'PREPARED' }, false],
    ['before the vote COMMITTED', { step: 'vote', phase: 'COMMITTED' }, true],
    ['after the change, before the answer', { step: 'answer' }, true],
  ] as const)('dies %s of a push, and serves again after a restart', async (_, when, changed) => {
    node.faults.add({ ...when, method: 'SSHReceivePack', action: { kind: 'die' } });
    const headers = transaction('gitaly-1');
    const result = await withPeer((peer) => pushNext(peer, headers));
    expect(result.status).toBe('cut');

    await node.stop();
    node = await startStorageNode({ name: 'gitaly-1', root });
    const expected = changed ? sample.next : undefined;
    expect(await readReference(repositoryPath, 'refs/heads/next')).toBe(expected);
    // The same push again: no lock is left, whatever the first one had locked.
    const again = await withPeer((peer) => pushNext(peer, headers));
    expect(again.stdout).toContain(changed ? 'ng refs/heads/next' : 'ok refs/heads/next');
    const other = { reference: 'refs/heads/other', oldId: zeroId, newId: sample.next };
    const another = { ...other, pack: sample.nextPack };
    const third = await withPeer((peer) => push(peer, repository, another, headers));
    expect(third.stdout).toContain('ok refs/heads/other');
  });
});
