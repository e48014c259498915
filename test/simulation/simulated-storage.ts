import { sleep } from '../../src/base/clock.ts';
import { statusCodes } from '../../src/rpc/status.ts';
import type { Answer, Vote, VotePhase } from '../../src/proxy/transactions/voting.ts';
import { SimulatedProcess } from './simulated-process.ts';
import type { Timeline } from './timeline.ts';

/** What a write does: each change is a reference transaction of its own. */
export interface WriteRequest {
  readonly name: string;
  readonly changes: readonly { readonly ref: string; readonly value: string }[];
  /** Whether it does not say what was there before: then the votes do not tell either. */
  readonly isBlind: boolean;
  /** False for one that changes references without asking. */
  readonly votes: boolean;
}

type RefChange = WriteRequest['changes'][number];

/** A storage's side of one call that changes something. */
export interface StorageCall {
  /** Whether the caller has gone. */
  readonly isBroken: boolean;
  /** The answer, or `broken` if the caller has gone. */
  vote(vote: Vote): Promise<Answer | 'broken'>;
}

/** A storage's side of a write. */
export interface WriteStorageCall extends StorageCall {
  finish(code: number): void;
}

/** How often things go wrong in a storage that works. */
export interface StorageFaults {
  /** Takes up to two seconds until it begins. */
  readonly isSlow: number;
  readonly refusesCall: number;
  readonly failsToApply: number;
  readonly crashesBeforeApplying: number;
  readonly crashesAfterApplying: number;
}

/** Gitaly has git wait that long for a reference that another transaction has locked. */
const lockLimitMs = 1000;

/**
 * A Gitaly, as it was measured: it locks what it is about to change, casts PREPARED and waits,
 * changes or gives up as the answer says, unlocks, and casts COMMITTED, which nothing depends on.
 * What it has changed survives its crash; its locks and its calls do not.
 */
export class SimulatedStorage {
  readonly name: string;
  readonly refs = new Map<string, string>();
  process: SimulatedProcess;
  readonly #timeline: Timeline;
  readonly #faults: () => StorageFaults | undefined;
  readonly #crash: () => void;
  /** Which write has locked a reference. */
  readonly #locked = new Map<string, string>();

  /** `faults` are those of the moment, `crash` is called by a storage that is to crash. */
  constructor(
    name: string,
    timeline: Timeline,
    faults: () => StorageFaults | undefined,
    crash: () => void,
  ) {
    this.name = name;
    this.#timeline = timeline;
    this.#faults = faults;
    this.#crash = crash;
    this.process = new SimulatedProcess(name, timeline);
  }

  /** Starts again after a crash. */
  restart(): void {
    this.#locked.clear();
    this.process = new SimulatedProcess(this.name, this.#timeline);
  }

  async carryOut(request: WriteRequest, call: WriteStorageCall): Promise<void> {
    await this.#work(0.5, this.#happens('isSlow') ? 2000 : 8);
    if (this.#happens('refusesCall')) return call.finish(statusCodes.INTERNAL);
    for (const { ref, value } of request.changes) {
      const code = request.votes
        ? await this.#changeWithVotes(request, { ref, value }, call)
        : await this.#change(request, { ref, value }, call);
      if (code !== statusCodes.OK) return call.finish(code);
    }
    call.finish(statusCodes.OK);
  }

  /** The write that has locked a reference. */
  lockedBy(ref: string): string | undefined {
    return this.#locked.get(ref);
  }

  async #changeWithVotes(
    request: WriteRequest,
    change: RefChange,
    call: StorageCall,
  ): Promise<number> {
    const { ref, value } = change;
    const update = `${ref} to ${value}`;
    const cast = (phase: VotePhase, hash: string) => call.vote({ phase, hash });
    if ((await cast('preparing', update)) !== 'commit') return statusCodes.ABORTED;
    // What Gitaly votes on has the value before in it, unless the caller does not care for that.
    const prepared = () =>
      request.isBlind ? update : `${update}, not ${this.refs.get(ref)} any more`;
    let hash = update;
    const code = await this.#change(request, change, call, async () => {
      await this.#work(0.1, 2);
      hash = prepared();
      return (await cast('prepared', hash)) === 'commit';
    });
    if (code === statusCodes.OK) await cast('committed', hash);
    return code;
  }

  /** Changes one reference, which is locked meanwhile, if `isAllowed` says so. */
  async #change(
    { name }: WriteRequest,
    { ref, value }: RefChange,
    call: StorageCall,
    isAllowed: () => Promise<boolean> = () => Promise.resolve(true),
  ): Promise<number> {
    if (!(await this.#lock(ref, name, call))) return statusCodes.ABORTED;
    try {
      return (await isAllowed()) ? await this.#apply(ref, value) : statusCodes.ABORTED;
    } finally {
      this.#locked.delete(ref);
    }
  }

  async #lock(ref: string, write: string, call: StorageCall): Promise<boolean> {
    const giveUpAtMs = this.#timeline.monotonicMs() + lockLimitMs;
    while (this.#locked.has(ref)) {
      if (this.#timeline.monotonicMs() > giveUpAtMs) return false;
      await this.#work(1, 20);
    }
    if (call.isBroken) return false;
    this.#locked.set(ref, write);
    return true;
  }

  async #apply(ref: string, value: string): Promise<number> {
    // Nearly always at once, sometimes on a disk that is busy.
    await this.#work(0.1, this.#timeline.chance(0.1) ? 300 : 10);
    if (this.#happens('failsToApply')) return statusCodes.INTERNAL;
    if (this.#happens('crashesBeforeApplying')) await this.#fall();
    this.refs.set(ref, value);
    this.#timeline.tell(() => `${this.name} has ${ref}=${value}`);
    if (this.#happens('crashesAfterApplying')) await this.#fall();
    return statusCodes.OK;
  }

  async checksum(): Promise<string> {
    await this.#work(0.5, 5);
    return this.contents();
  }

  /** All references in one text: equal for equal replicas. */
  contents(): string {
    return [...this.refs]
      .map(([ref, value]) => `${ref}=${value}`)
      .toSorted((a, b) => (a < b ? -1 : 1))
      .join(' ');
  }

  /**
   * Becomes like the source was a moment ago, as Gitaly does: in one reference transaction, which
   * votes. The references are locked from that on.
   */
  async replicate(source: SimulatedStorage, call: StorageCall): Promise<void> {
    await this.#work(2, this.#timeline.chance(0.2) ? 2000 : 40);
    if (!source.process.isRunning) throw new Error(`${source.name} cannot be reached`);
    const copy = new Map(source.refs);
    await this.#work(1, 40);
    const changes = [...new Set([...copy.keys(), ...this.refs.keys()])]
      .filter((ref) => copy.get(ref) !== this.refs.get(ref))
      .toSorted((a, b) => (a < b ? -1 : 1));
    if (changes.length === 0) return;
    const locked: string[] = [];
    try {
      for (const ref of changes) {
        if (!(await this.#lock(ref, 'copy', call))) throw new Error(`${ref} is locked`);
        locked.push(ref);
      }
      const vote = { phase: 'prepared', hash: changes.join() } as const;
      if ((await call.vote(vote)) !== 'commit') throw new Error('the copy was refused');
      await this.#work(0.1, this.#timeline.chance(0.1) ? 300 : 10);
      for (const ref of changes) {
        const value = copy.get(ref);
        if (value === undefined) this.refs.delete(ref);
        else this.refs.set(ref, value);
      }
    } finally {
      for (const ref of locked) this.#locked.delete(ref);
    }
    this.#timeline.tell(() => `${this.name} has copied ${source.name}: ${this.contents()}`);
  }

  #happens(fault: keyof StorageFaults): boolean {
    const faults = this.#faults();
    return faults !== undefined && this.#timeline.chance(faults[fault]);
  }

  #work(fromMs: number, toMs: number): Promise<void> {
    return sleep(this.process, this.#timeline.between(fromMs, toMs));
  }

  /** Crashes here and now: whoever calls never goes on. */
  #fall(): Promise<never> {
    this.#crash();
    return new Promise(() => {});
  }
}
