import { statusCodes } from '../../src/rpc/status.ts';
import type { WriteClass } from '../../src/proxy/relay/write-classes.ts';
import type { Move } from '../../src/proxy/routing/repository-record.ts';
import { key, type Cluster } from './cluster.ts';
import { healAll } from './faults.ts';
import { History } from './history.ts';
import { inSyncVoters } from './in-sync.ts';
import { Invariants } from './invariants.ts';
import type { Clients, Scenario, ShortWrite } from './scenario.ts';
import { shortFaults } from './short-faults.ts';
import type { SimulatedProxy } from './simulated-proxy.ts';
import { virtualStorageName } from './simulated-proxy.ts';
import type { WriteRequest } from './simulated-storage.ts';

/** A fault, and before which step after the clients began. */
export interface TimedFault {
  readonly fault: string;
  readonly step: number;
}

export interface ShortResult {
  /** How many things happened from when the clients began until all was quiet again. */
  readonly steps: number;
  /** How many things happened in all. */
  readonly events: number;
  readonly acknowledged: number;
  readonly failed: number;
  readonly faults: number;
}

/** The repository that is made in a run, if any. */
const createdKey = { virtualStorage: virtualStorageName, relativePath: 'new.git' };

const startLimitMs = 5000;
/** Admission may take 15 s, recording 10 s, and a write may be routed three times. */
const answerLimitMs = 90_000;
/** A repair that fails again and again waits up to a minute. */
const repairLimitMs = 240_000;
/**
 * How long a write may take when all is well: its proxy may have just got its lease back, for which it may have waited
 * for messages of the store that were late.
 */
const writeLimitMs = 8000;
/** After how long a client tries again. */
const retryMs = 100;

/**
 * One short schedule: clients do what the scenario says in a small cluster, and each fault happens before the step
 * that it names. Invariants are checked after every step. In the end everything works again, and
 * has to come to rest by itself: repaired, writable and readable through each proxy, with nothing lost.
 */
export class ShortRun implements Clients {
  readonly cluster: Cluster;
  readonly #scenario: Scenario;
  readonly #faults: TimedFault[];
  readonly #histories: readonly History[];
  readonly #history: History;
  readonly #created: History;
  /** Calls that have no answer. */
  readonly #unanswered = new Set<{ readonly proxy: SimulatedProxy }>();
  #firstStep = 0;
  #faultyUntilMs = 0;
  #busyUntilMs = 0;
  #played = 0;
  /** What a person asks for while nothing is wrong. */
  #pendingLoss: string | undefined;
  #failed = 0;
  #lastWrite = 0;

  constructor(cluster: Cluster, scenario: Scenario, faults: readonly TimedFault[]) {
    this.cluster = cluster;
    this.#scenario = scenario;
    this.#faults = faults.toSorted((a, b) => a.step - b.step);
    this.#history = new History(cluster, key);
    this.#created = new History(cluster, createdKey);
    this.#histories = [this.#history, this.#created];
    const invariants = this.#histories.map((history) => new Invariants(cluster, history));
    cluster.timeline.watch(() =>
      cluster.check(() => {
        for (const each of invariants) each.check();
      }),
    );
  }

  async play(): Promise<ShortResult> {
    const { timeline, proxies } = this.cluster;
    if (!(await this.cluster.runUntil(startLimitMs, () => this.#isReady))) {
      throw new Error('the proxies do not start');
    }
    await this.#warmUp();
    this.#firstStep = timeline.steps;
    this.#scenario.begin(this);
    const isQuiet = () => {
      this.#causeFaults();
      const nowMs = timeline.monotonicMs();
      return nowMs >= this.#faultyUntilMs && nowMs >= this.#busyUntilMs && this.#isAnswered;
    };
    if (!(await this.cluster.runUntil(timeline.monotonicMs() + answerLimitMs, isQuiet))) {
      throw new Error('a client gets no answer');
    }
    const steps = timeline.steps - this.#firstStep;
    timeline.tell(() => 'everything works again');
    healAll(this.cluster);
    while (proxies.length < this.cluster.shape.proxies) this.cluster.startProxy();
    await this.#recover();
    return {
      steps,
      events: timeline.steps,
      acknowledged: this.#histories.reduce((sum, { acknowledged }) => sum + acknowledged.length, 0),
      failed: this.#failed,
      faults: this.#played,
    };
  }

  after(delayMs: number, action: () => void): void {
    const { timeline } = this.cluster;
    this.#busyUntilMs = Math.max(this.#busyUntilMs, timeline.monotonicMs() + delayMs + 0.001);
    timeline.after(delayMs, action);
  }

  write(proxy: string, write: ShortWrite): void {
    const { changes, votes = true, isBlind = false, abortAfterMs, gapMs } = write;
    this.#lastWrite += 1;
    const name = `w${this.#lastWrite}`;
    const request = { name, changes, votes, isBlind, ...(gapMs !== undefined && { gapMs }) };
    this.#call(proxy, request, this.#history, (served, onAnswer) => {
      void served.write(key, request, write.class, abortAfterMs, onAnswer);
    });
  }

  read(): void {
    this.#readThroughAll(this.#history);
  }

  create(proxy: string): void {
    const changes = [{ ref: 'HEAD', value: 'made' }];
    const request = { name: 'creation', changes, votes: true, isBlind: false, creates: true };
    this.#call(proxy, request, this.#created, (served, onAnswer) => {
      void served.create(createdKey, request, onAnswer);
    });
  }

  damage(storage: string, how: 'loses' | 'alters', attempts = 10): void {
    const isQuiet = this.#isAnswered && this.cluster.recordOf(key) !== undefined;
    if (isQuiet && this.cluster.damage(storage, how)) return;
    if (attempts > 0) this.after(300, () => this.damage(storage, how, attempts - 1));
  }

  chooseWhereAsked(storage: string): void {
    const { timeline, database, proxies } = this.cluster;
    timeline.after(1000, () => {
      const { id } = this.cluster.record;
      const isAsked = database.verifications.get(id)?.finding !== undefined;
      const [served] = proxies;
      if (isAsked && this.cluster.isDeceived) {
        served?.process.receive(() => void served.acceptLoss(key, storage));
      }
      this.chooseWhereAsked(storage);
    });
  }

  remove(proxy: string): void {
    this.#history.removalStarted();
    const request = { name: 'removal', changes: [], votes: true, isBlind: false };
    this.#call(proxy, request, this.#history, (served, onAnswer) => {
      void served.remove(key, onAnswer);
    });
  }

  changeReplicaCount(proxy: string, count: number): void {
    this.#served(proxy)?.process.receive(() => {
      void this.#served(proxy)?.changeReplicaCount(key, count);
    });
  }

  moveReplica(proxy: string, move: Move): void {
    this.#served(proxy)?.process.receive(() => {
      void this.#served(proxy)?.moveReplica(key, move);
    });
  }

  acceptLoss(proxy: string, storage: string): void {
    const served = this.#served(proxy);
    const isAnyAway = [...this.cluster.storages.values()].some(({ process }) => !process.isRunning);
    if (isAnyAway || this.#played > 0) this.#history.lossAsked(storage);
    else this.#pendingLoss = storage;
    served?.process.receive(() => {
      void served.acceptLoss(key, storage).then((outcome) => {
        this.cluster.timeline.tell(() => `accepting what ${storage} lacks: ${outcome}`);
        this.#pendingLoss = undefined;
        if (outcome === 'busy') this.after(300, () => this.acceptLoss(proxy, storage));
        return outcome;
      });
    });
  }

  get #isReady(): boolean {
    return this.cluster.proxies.every(({ isReady }) => isReady);
  }

  get #isAnswered(): boolean {
    for (const { proxy } of this.#unanswered) if (!proxy.process.hasCrashed) return false;
    return true;
  }

  #served(name: string): SimulatedProxy | undefined {
    const { proxies } = this.cluster;
    return proxies.find((proxy) => proxy.name === name) ?? proxies[0];
  }

  #causeFaults(): void {
    const { timeline } = this.cluster;
    const step = timeline.steps - this.#firstStep;
    for (let next = this.#faults[0]; next !== undefined && next.step <= step;) {
      this.#faults.shift();
      const { fault } = next;
      timeline.tell(() => `step ${step}: ${fault}`);
      const forMs = shortFaults.get(fault)?.begin(this.cluster) ?? 0;
      this.#faultyUntilMs = Math.max(this.#faultyUntilMs, timeline.monotonicMs() + forMs + 0.001);
      this.#played += 1;
      if (this.#pendingLoss !== undefined) this.#history.lossAsked(this.#pendingLoss);
      next = this.#faults[0];
    }
  }

  #call(
    name: string,
    request: WriteRequest,
    history: History,
    send: (proxy: SimulatedProxy, onAnswer: (code: number, message: string) => void) => void,
  ): void {
    const { timeline } = this.cluster;
    const proxy = this.#served(name);
    if (proxy === undefined) return;
    timeline.tell(() => `${request.name} goes through ${proxy.name}`);
    const answered = history.started(request);
    const call = { proxy };
    this.#unanswered.add(call);
    proxy.process.receiveCall(() =>
      send(proxy, (code, message) => {
        timeline.tell(() => `${request.name} through ${proxy.name}: ${code} ${message}`);
        this.#unanswered.delete(call);
        if (code !== statusCodes.OK) this.#failed += 1;
        this.cluster.check(() => answered(code));
        if (code === statusCodes.OK) this.#readThroughAll(history);
      }),
    );
  }

  #readThroughAll(history: History): void {
    for (const proxy of this.cluster.proxies) void this.#read(proxy, history);
  }

  async #read(proxy: SimulatedProxy, history: History): Promise<boolean> {
    const check = history.readStarted(proxy.name);
    let isRead = false;
    await new Promise<void>((resolve) => {
      proxy.process.receiveCall(() => {
        // A proxy that alone has lost the store may answer with what was true (docs/limits.md).
        const { isPrompt, troubles } = proxy.store;
        const { isDeceived, damages } = this.cluster;
        const isTold = () => !isDeceived && this.cluster.damages === damages;
        const isCurrent = () => isPrompt && isTold() && proxy.store.troubles === troubles;
        void proxy.read(history.key).then((refs) => {
          if (refs !== undefined && isCurrent()) this.cluster.check(() => check(refs));
          isRead = refs !== undefined;
          return resolve();
        });
      });
    });
    return isRead;
  }

  /** Each proxy gets to know the repository. */
  async #warmUp(): Promise<void> {
    const { proxies, timeline } = this.cluster;
    let read = 0;
    for (const proxy of proxies) void this.#read(proxy, this.#history).then(() => (read += 1));
    await this.cluster.runUntil(
      timeline.monotonicMs() + startLimitMs,
      () => read === proxies.length,
    );
  }

  async #recover(): Promise<void> {
    const { cluster } = this;
    const { timeline, proxies } = cluster;
    const isRecovered = () => cluster.isSettled && !cluster.isDeceived && this.#isReady;
    if (!(await cluster.runUntil(timeline.monotonicMs() + repairLimitMs, isRecovered))) {
      throw new Error(`it does not recover by itself: ${textOf(cluster.database.all())}`);
    }
    for (const history of this.#histories) history.checkEnd();
    for (const proxy of proxies) await this.#checkServed(proxy);
    for (const history of this.#histories) history.checkEnd();
  }

  /** Whether what exists can be written and read. */
  async #checkServed(proxy: SimulatedProxy): Promise<void> {
    const { timeline } = this.cluster;
    for (const history of this.#histories) {
      const record = this.cluster.recordOf(history.key);
      if (record === undefined) continue;
      if (!(await this.#writeAtLast(proxy, history))) {
        const inSync = inSyncVoters(record).join(', ');
        throw new Error(`a write through ${proxy.name} fails in the end; in sync: ${inSync}`);
      }
      let isRead: boolean | undefined;
      void this.#read(proxy, history).then((result) => {
        isRead = result;
        return result;
      });
      await this.cluster.runUntil(timeline.monotonicMs() + writeLimitMs, () => isRead === true);
      if (isRead !== true) throw new Error(`a read through ${proxy.name} fails in the end`);
    }
  }

  /** Writes, and again as clients do: a proxy may hear only now that a replica is in sync. */
  async #writeAtLast(proxy: SimulatedProxy, history: History): Promise<boolean> {
    const { timeline } = this.cluster;
    const class_: WriteClass = { intent: 'atDispatch', changesNeedVotes: true };
    const before = history.acknowledged.length;
    const giveUpAtMs = timeline.monotonicMs() + writeLimitMs;
    while (timeline.monotonicMs() < giveUpAtMs) {
      this.#lastWrite += 1;
      const changes = [{ ref: `end${this.#lastWrite}`, value: '1' }];
      const request = { name: `w${this.#lastWrite}`, changes, votes: true, isBlind: false };
      const answered = history.started(request);
      let isAnswered = false;
      void proxy.write(history.key, request, class_, undefined, (code, message) => {
        timeline.tell(() => `${request.name} through ${proxy.name}: ${code} ${message}`);
        isAnswered = true;
        this.cluster.check(() => answered(code));
      });
      await this.cluster.runUntil(giveUpAtMs, () => isAnswered);
      if (history.acknowledged.length > before) return true;
      await this.cluster.runUntil(timeline.monotonicMs() + retryMs, () => false);
    }
    return false;
  }
}

function textOf(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    typeof part === 'bigint' ? Number(part) : part,
  );
}
