import { pick } from '../../src/base/random.ts';
import { isHealthy } from '../../src/proxy/routing/node-view.ts';
import type { WriteClass } from '../../src/proxy/relay/write-classes.ts';
import { Cluster, key } from './cluster.ts';
import { causeFaults, healAll, maybeInterrupt } from './faults.ts';
import { History } from './history.ts';
import { inSyncVoters } from './in-sync.ts';
import { Invariants } from './invariants.ts';
import type { SimulatedProxy } from './simulated-proxy.ts';
import type { WriteRequest } from './simulated-storage.ts';

export interface SimulationResult {
  readonly acknowledged: number;
  readonly failed: number;
  /** How many things happened. */
  readonly events: number;
  /** What has happened, line by line, if it was wanted. */
  readonly told: readonly string[];
}

/** Something was true that must never be, or the repository got stuck. */
export class ViolationError extends Error {
  readonly told: readonly string[];

  /** `schedule` is what to replay. */
  constructor(schedule: string, cause: unknown, told: readonly string[]) {
    super(`${schedule}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.name = 'ViolationError';
    this.told = told;
  }
}

const faultyMs = 8000;
/** Until each proxy has its lease, the store and all storages again. */
const recoveryMs = 6000;
/** From then on: a repository that refuses writes is what repair does first, and does not wait long for. */
const writableLimitMs = 15_000;
/** A repair that fails again and again waits up to a minute. */
const repairLimitMs = 240_000;
/** After that a client gives up and writes something else. */
const clientPatienceMs = 2000;
/** Admission may take 15 s, and recording 10 s. */
const answerLimitMs = 30_000;
const clientCount = 3;

/**
 * One run of the write protocol:
 *
 * 1. Clients write through several proxies while things go wrong.
 * 2. Everything works again. Soon the repository takes writes, and repair comes to its end.
 * 3. Nothing may be lost, and a write through each proxy succeeds.
 *
 * @param isTold whether to keep what happens, to understand a failure
 * @throws ViolationError
 */
export async function simulate(seed: number, isTold = false): Promise<SimulationResult> {
  const cluster = new Cluster(seed, isTold);
  const { timeline } = cluster;
  const run = new Run(cluster);
  try {
    await run.play();
    return {
      acknowledged: run.history.acknowledged.length,
      failed: run.failed,
      events: timeline.steps,
      told: timeline.told,
    };
  } catch (error) {
    timeline.tell(() => `VIOLATION: ${String(error)}`);
    throw new ViolationError(`long/${seed}`, error, timeline.told);
  }
}

class Run {
  readonly history: History;
  failed = 0;
  readonly #cluster: Cluster;
  /** The proxy of each call that has no answer, once for each. */
  readonly #unanswered: SimulatedProxy[] = [];
  #lastWrite = 0;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    this.history = new History(cluster, key);
    const invariants = new Invariants(cluster, this.history);
    cluster.timeline.watch(() => cluster.check(() => invariants.check()));
  }

  async play(): Promise<void> {
    const cluster = this.#cluster;
    const { timeline } = cluster;
    await cluster.runUntil(500);
    causeFaults(cluster, faultyMs);
    for (let client = 0; client < clientCount; client++) this.#writeOn();
    await cluster.runUntil(faultyMs);
    healAll(cluster);
    while (cluster.proxies.length < 3) cluster.startProxy();
    const healedMs = timeline.monotonicMs();
    const isAnswered = () => this.#unanswered.every(({ process }) => process.hasCrashed);
    if (!(await cluster.runUntil(healedMs + answerLimitMs, isAnswered))) {
      throw new Error('a client gets no answer although all is well');
    }
    await cluster.runUntil(healedMs + recoveryMs);
    const limitMs = healedMs + repairLimitMs;
    await this.#awaitWritable(limitMs);
    if (!(await cluster.runUntil(limitMs, () => cluster.isSettled))) {
      throw new Error(`the repository is never repaired: ${textOf(cluster.record)}`);
    }
    this.history.checkEnd();
    for (const proxy of cluster.proxies) {
      const before = this.history.acknowledged.length;
      this.#write(proxy, this.#newRequest(), votingClass, undefined, () => {});
      const isDone = () => this.history.acknowledged.length > before;
      if (!(await this.#cluster.runUntil(timeline.monotonicMs() + 1000, isDone))) {
        throw new Error(`a write through ${proxy.name} fails although all is well`);
      }
    }
    this.history.checkEnd();
  }

  /** As soon as all proxies can reach an in-sync replica: its volume may have been another one until then. */
  async #awaitWritable(limitMs: number): Promise<void> {
    const cluster = this.#cluster;
    const isReachable = ({ virtualStorage }: SimulatedProxy) =>
      inSyncVoters(cluster.record).some((storage) => isHealthy(virtualStorage.nodes(), storage));
    await cluster.runUntil(limitMs, () => cluster.proxies.every(isReachable));
    const soonMs = cluster.timeline.monotonicMs() + writableLimitMs;
    const isWritable = () => inSyncVoters(cluster.record).length >= cluster.minInSyncReplicas;
    if (await cluster.runUntil(Math.min(soonMs, limitMs), isWritable)) return;
    throw new Error(`the repository goes on refusing writes: ${textOf(cluster.record)}`);
  }

  /** A client that writes, waits for its answer, and writes again, through any proxy. */
  #writeOn(): void {
    const { timeline, proxies } = this.#cluster;
    if (timeline.monotonicMs() > faultyMs) return;
    const proxy = pick(timeline.random, proxies);
    if (proxy === undefined) return;
    let isOver = false;
    const goOn = () => {
      if (isOver) return;
      isOver = true;
      patience.cancel();
      timeline.after(timeline.between(1, 250), () => this.#writeOn());
    };
    const patience = timeline.after(clientPatienceMs, goOn);
    const abortAfterMs = timeline.chance(0.05) ? timeline.between(1, 60) : undefined;
    const writeClass = pick(timeline.random, classes) ?? votingClass;
    this.#write(proxy, this.#newRequest(writeClass), writeClass, abortAfterMs, goOn);
    maybeInterrupt(this.#cluster, proxy);
  }

  #write(
    proxy: SimulatedProxy,
    request: WriteRequest,
    writeClass: WriteClass,
    abortAfterMs: number | undefined,
    onAnswer: () => void,
  ): void {
    const { timeline } = this.#cluster;
    timeline.tell(() => `a client writes ${textOf(request)} through ${proxy.name}`);
    const answered = this.history.started(request);
    this.#unanswered.push(proxy);
    proxy.process.receive(() => {
      void proxy.write(key, request, writeClass, abortAfterMs, (code, message) => {
        timeline.tell(() => `${request.name} through ${proxy.name}: ${code} ${message}`);
        if (code !== 0) this.failed += 1;
        this.#unanswered.splice(this.#unanswered.indexOf(proxy), 1);
        this.#cluster.check(() => answered(code));
        onAnswer();
      });
    });
  }

  #newRequest(writeClass: WriteClass = votingClass): WriteRequest {
    const { timeline } = this.#cluster;
    this.#lastWrite += 1;
    const name = `w${this.#lastWrite}`;
    const own = [{ ref: name, value: '1' }];
    const shared = timeline.chance(0.3) ? [{ ref: 'main', value: name }] : [];
    const votes = writeClass.changesNeedVotes || timeline.chance(0.5);
    return { name, changes: [...own, ...shared], isBlind: timeline.chance(0.5), votes };
  }
}

const votingClass: WriteClass = { intent: 'atDispatch', changesNeedVotes: true };
const classes: readonly WriteClass[] = [
  votingClass,
  { intent: 'atFirstVote', changesNeedVotes: true },
  { intent: 'beforeDispatch', changesNeedVotes: false },
];

function textOf(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    typeof part === 'bigint' ? Number(part) : part,
  );
}
