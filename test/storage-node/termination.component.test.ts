import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Health } from '../../src/gen/grpc/health/v1/health_pb.ts';
import {
  type VoteTransactionRequest,
  VoteTransactionRequest_Phase as Phase,
} from '../../src/gen/gitaly/transaction_pb.ts';
import { deferred } from '../../src/base/deferred.ts';
import { type SpawnedStorageNode, spawnStorageNode } from './spawn.ts';
import { agreeing, callUnary, push, transaction } from './testing/calls.ts';
import { Peer } from './testing/peer.ts';
import { makeSample, readReference, type Sample, zeroId } from './testing/sample.ts';

const repository = { storageName: 'gitaly-1', relativePath: 'group/project.git' };
/** For what has to end in time, on a machine however busy. */
const patientGraceMs = 60_000;
/** For what has to be cut. */
const shortGraceMs = 1_500;

/** Group 8 of the recordings, with a shorter grace period. */
describe('a storage node in its own process', () => {
  let root: string;
  let node: SpawnedStorageNode;
  let sample: Sample;
  let repositoryPath: string;

  beforeEach(async () => {
    root = await mkdtemp(path.join(tmpdir(), 'storage-node-'));
    sample = await makeSample(root);
    const storagePath = path.join(root, 'repositories');
    repositoryPath = path.join(storagePath, repository.relativePath);
    await sample.install(repositoryPath);
    node = await start();
  });

  afterEach(async () => {
    await node.stop();
    await rm(root, { recursive: true, force: true });
  });

  const start = (graceMs = patientGraceMs) =>
    spawnStorageNode({ name: 'gitaly-1', root, gracefulRestartTimeoutMs: graceMs });

  const pushNext = (peer: Peer) => {
    const pushed = { oldId: zeroId, newId: sample.next, pack: sample.nextPack };
    const reference = 'refs/heads/next';
    return push(peer, repository, { reference, ...pushed }, transaction('gitaly-1'));
  };

  /** A push that holds still at its PREPARED vote until it is let go. */
  async function heldPush() {
    const reached = deferred<void>();
    const go = deferred<void>();
    const hold = async ({ phase }: VoteTransactionRequest) => {
      if (phase !== Phase.PREPARED_PHASE) return;
      reached.resolve();
      await go.promise;
    };
    const peer = await Peer.multiplexed(node.address, agreeing(hold));
    const result = pushNext(peer);
    await reached.promise;
    return { peer, result, go };
  }

  test('closes idle connections and exits with 0 on SIGTERM', async () => {
    const peer = await Peer.multiplexed(node.address, agreeing());
    await callUnary(peer, Health.method.check, {});
    node.signal('SIGTERM');
    await peer.closed;
    expect(await node.exited).toBe(0);
  });

  test('finishes a push whose vote is answered within the grace period, and exits with 0', async () => {
    const { peer, result, go } = await heldPush();
    node.signal('SIGTERM');
    await peer.saidGoodbye;
    const newcomer = await Peer.multiplexed(node.address, agreeing());
    const unanswered = callUnary(newcomer, Health.method.check, {});
    go.resolve();
    const { status, stdout } = await result;
    expect(status).toBeUndefined();
    expect(stdout).toContain('ok refs/heads/next');
    expect(await node.exited).toBe(0);
    expect((await unanswered).status).toBe('cut');
    expect(await readReference(repositoryPath, 'refs/heads/next')).toBe(sample.next);
    peer.cut();
  });

  test('cuts a push whose vote is not answered, exits with 1, and changes nothing', async () => {
    await node.stop();
    node = await start(shortGraceMs);
    const { peer, result } = await heldPush();
    const begin = performance.now();
    node.signal('SIGTERM');
    expect((await result).status).toBe('cut');
    expect(await node.exited).toBe(1);
    expect(performance.now() - begin).toBeGreaterThanOrEqual(shortGraceMs - 50);
    expect(await readReference(repositoryPath, 'refs/heads/next')).toBeUndefined();
    peer.cut();
  });

  test('changes nothing if it is killed while a vote PREPARED is open, and serves again', async () => {
    const { peer, result } = await heldPush();
    await node.kill();
    expect((await result).status).toBe('cut');
    peer.cut();
    node = await start();
    expect(await readReference(repositoryPath, 'refs/heads/next')).toBeUndefined();
    const next = await Peer.multiplexed(node.address, agreeing());
    expect((await pushNext(next)).stdout).toContain('ok refs/heads/next');
    next.cut();
  });

  test('takes faults over HTTP, and dies of them like a killed container', async () => {
    await node.addFault({ step: 'voted', phase: 'COMMITTED', action: { kind: 'die' } });
    const peer = await Peer.multiplexed(node.address, agreeing());
    expect((await pushNext(peer)).status).toBe('cut');
    expect(await node.exited).toBeUndefined();
    expect(await readReference(repositoryPath, 'refs/heads/next')).toBe(sample.next);
    peer.cut();
  });

  test('removes the locks that a dead git left, when it starts', async () => {
    await node.kill();
    await writeFile(path.join(repositoryPath, 'refs/heads/next.lock'), '');
    await writeFile(path.join(repositoryPath, 'packed-refs.lock'), '');
    node = await start();
    const peer = await Peer.multiplexed(node.address, agreeing());
    expect((await pushNext(peer)).stdout).toContain('ok refs/heads/next');
    peer.cut();
  });
});
