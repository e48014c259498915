import { describe, expect, it } from '@jest/globals';
import { statusCodes } from '../../src/rpc/status.ts';
import type { WriteClass } from '../../src/proxy/relay/write-classes.ts';
import { Cluster, key } from './cluster.ts';
import { History } from './history.ts';

const rounds = 10;
/**
 * The storages wait a second for a lock, and the proxies less for a late storage. Contents of writes
 * that do not vote are compared for a second more.
 */
const answerLimitMs = 4000;
const repairLimitMs = 60_000;

/**
 * Clients that set the same reference through several proxies at the same moment, without saying
 * what it was before, while all is well.
 */
class Contention {
  readonly codes: number[] = [];
  /** Rounds in which one storage had locked the reference for one write, another for another. */
  deadlocks = 0;
  readonly #cluster: Cluster;
  readonly #history: History;

  readonly #unvoted: number;

  /** `unvoted` is the share of writes that do not vote. */
  constructor(seed: number, unvoted: number) {
    this.#unvoted = unvoted;
    this.#cluster = new Cluster(seed, false);
    this.#history = new History(this.#cluster, key);
  }

  async play(): Promise<void> {
    const cluster = this.#cluster;
    await cluster.runUntil(1000);
    for (let round = 1; round <= rounds; round++) {
      await this.#playRound(round);
      await cluster.runUntil(this.#nowMs + repairLimitMs, () => cluster.isSettled);
      if (!cluster.isSettled) throw new Error('a replica stays behind');
      this.#history.checkEnd();
    }
  }

  get #nowMs(): number {
    return this.#cluster.timeline.monotonicMs();
  }

  async #playRound(round: number): Promise<void> {
    const { proxies, timeline } = this.#cluster;
    const answers: number[] = [];
    for (const proxy of proxies) {
      const value = `w${round}-${proxy.name}`;
      const changes = [{ ref: 'main', value }];
      const votes = !timeline.chance(this.#unvoted);
      const request = { name: value, changes, isBlind: true, votes };
      timeline.after(timeline.between(0, 5), () => {
        const answered = this.#history.started(request);
        void proxy.write(key, request, votes ? voting : notVoting, undefined, (code) => {
          answers.push(code);
          this.#cluster.check(() => answered(code));
        });
      });
    }
    let isDeadlocked = false;
    const isAnswered = () => {
      isDeadlocked ||= this.#isDeadlocked;
      return answers.length === proxies.length;
    };
    if (!(await this.#cluster.runUntil(this.#nowMs + answerLimitMs, isAnswered))) {
      throw new Error(`round ${round}: ${answers.length} of ${proxies.length} writes have ended`);
    }
    if (isDeadlocked) this.deadlocks += 1;
    this.codes.push(...answers);
  }

  get #isDeadlocked(): boolean {
    const { replicaPath } = this.#cluster.record;
    const holders = [...this.#cluster.storages.values()].map((storage) =>
      storage.lockedBy(replicaPath, 'main'),
    );
    return new Set(holders.filter((holder) => holder !== undefined)).size > 1;
  }
}

const voting: WriteClass = { intent: 'atDispatch', changesNeedVotes: true };
const notVoting: WriteClass = { intent: 'beforeDispatch', changesNeedVotes: false };

async function playAll(seeds: number, unvoted: number) {
  const codes = new Map<number, number>();
  let deadlocks = 0;
  for (let seed = 1; seed <= seeds; seed++) {
    const contention = new Contention(seed, unvoted);
    await contention.play().catch((cause: unknown) => {
      throw new Error(`seed ${seed}: ${String(cause)}`, { cause });
    });
    deadlocks += contention.deadlocks;
    for (const code of contention.codes) codes.set(code, (codes.get(code) ?? 0) + 1);
  }
  return { codes, deadlocks };
}

describe('writes to one reference at the same moment', () => {
  it('leave equal replicas if some of them do not vote', async () => {
    const { codes } = await playAll(20, 0.5);
    expect(codes.get(statusCodes.OK)).toBeGreaterThan(0);
  }, 120_000);

  it('end soon if the storages lock it in opposite orders, and leave equal replicas', async () => {
    const { codes, deadlocks } = await playAll(30, 0);
    expect(deadlocks).toBeGreaterThan(100);
    const { OK, ABORTED, UNAVAILABLE } = statusCodes;
    // A proxy says UNAVAILABLE, and a storage that has waited for the lock ABORTED: try again.
    for (const code of codes.keys()) expect([OK, ABORTED, UNAVAILABLE]).toContain(code);
    const total = [...codes.values()].reduce((a, b) => a + b, 0);
    expect(codes.get(OK)).toBeGreaterThan(total * 0.7);
  }, 120_000);
});
