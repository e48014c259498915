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
  /** How long each storage takes from one change to the next, besides. Default: no time. */
  readonly gapMs?: number;
  /** Whether it makes the repository. Default: it has to be there. */
  readonly creates?: boolean;
}

/** A write as it reaches a storage. */
export interface StorageRequest extends WriteRequest {
  readonly transaction: string;
  readonly replicaPath: string;
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
  /** Does something else than the others, as a hook may. */
  readonly differs: number;
  readonly crashesBeforeApplying: number;
  readonly crashesAfterApplying: number;
}

type References = Map<string, string>;
/** Repositories by path. */
type Volume = Map<string, References>;

/** Gitaly has git wait that long for a reference that another transaction has locked. */
const lockLimitMs = 1000;

/**
 * A Gitaly, as it was measured: it locks what it is about to change, casts PREPARED and waits,
 * changes or gives up as the answer says, unlocks, and casts COMMITTED, which nothing depends on.
 * What it has changed survives its crash; its locks and its calls do not.
 */
export class SimulatedStorage {
  readonly name: string;
  process: SimulatedProcess;
  readonly #timeline: Timeline;
  readonly #faults: () => StorageFaults | undefined;
  readonly #crash: () => void;
  readonly #onChange: () => void;
  /** By their ids: what survives a crash. */
  readonly #volumes = new Map<string, Volume>();
  #volume: string;
  /** By path and reference: which write has locked it. */
  readonly #locked = new Map<string, string>();
  readonly #failures = new Set<keyof StorageFaults>();

  /**
   * `faults` are those of the moment, `crash` is called by a storage that is to crash, `onChange` after each change
   * of what it holds.
   */
  constructor(
    name: string,
    timeline: Timeline,
    faults: () => StorageFaults | undefined,
    crash: () => void,
    onChange: () => void,
  ) {
    this.name = name;
    this.#timeline = timeline;
    this.#faults = faults;
    this.#crash = crash;
    this.#onChange = onChange;
    this.process = new SimulatedProcess(name, timeline);
    this.#volume = this.#newVolume();
  }

  /** The id of the volume that it has now. */
  get volume(): string {
    return this.#volume;
  }

  /** The ids of all volumes that it has ever had. */
  get volumes(): readonly string[] {
    return [...this.#volumes.keys()];
  }

  /** Has another volume from now on: an empty one, or one that it had before. It has to be down. */
  changeVolume(volume = this.#newVolume()): void {
    this.#timeline.tell(() => `${this.name} has volume ${volume}`);
    this.#volume = volume;
    this.#onChange();
  }

  /** The references of a repository on a volume, or undefined if it has none of that path. */
  refs(path: string, volume = this.#volume): ReadonlyMap<string, string> | undefined {
    return this.#volumes.get(volume)?.get(path);
  }

  get #repositories(): Volume {
    const repositories = this.#volumes.get(this.#volume);
    if (repositories === undefined) throw new Error(`there is no volume ${this.#volume}`);
    return repositories;
  }

  #newVolume(): string {
    const id = `${this.name}${this.#volumes.size + 1}`;
    this.#volumes.set(id, new Map());
    return id;
  }

  /** Lets something go wrong the next time that it can. */
  failNext(fault: keyof StorageFaults): void {
    this.#failures.add(fault);
  }

  /** Lets nothing more go wrong than usual. */
  failNoMore(): void {
    this.#failures.clear();
  }

  /** Makes an empty repository. */
  create(path: string): References {
    const refs: References = new Map();
    this.#repositories.set(path, refs);
    this.#onChange();
    return refs;
  }

  /** Something goes wrong on its disk, and nobody notices. */
  damage(path: string, how: 'loses' | 'alters'): void {
    this.#timeline.tell(() => `${this.name} ${how} ${path} silently`);
    if (how === 'loses') this.#repositories.delete(path);
    else this.#repositories.get(path)?.set('main', 'altered');
    this.#onChange();
  }

  /** Starts again after a crash. */
  restart(): void {
    this.#locked.clear();
    this.process = new SimulatedProcess(this.name, this.#timeline);
  }

  async carryOut(request: StorageRequest, call: WriteStorageCall): Promise<void> {
    await this.#work(0.5, this.#happens('isSlow') ? 2000 : 8);
    if (this.#happens('refusesCall')) return call.finish(statusCodes.INTERNAL);
    if (request.creates !== true && !this.#repositories.has(request.replicaPath)) {
      return call.finish(statusCodes.NOT_FOUND);
    }
    const own = this.#happens('differs') ? `, as ${this.name} has it` : '';
    for (const change of request.changes) {
      const { ref, value } = { ...change, value: change.value + own };
      const code = request.votes
        ? await this.#changeWithVotes(request, { ref, value }, call)
        : await this.#change(request, { ref, value }, call);
      if (code !== statusCodes.OK) return call.finish(code);
      if (request.gapMs !== undefined) await this.#work(request.gapMs, request.gapMs + 5);
    }
    call.finish(statusCodes.OK);
  }

  /** The write that has locked a reference. */
  lockedBy(path: string, ref: string): string | undefined {
    return this.#locked.get(lockName(path, ref));
  }

  async #changeWithVotes(
    request: StorageRequest,
    change: RefChange,
    call: StorageCall,
  ): Promise<number> {
    const { ref, value } = change;
    const update = `${ref} to ${value}`;
    const cast = (phase: VotePhase, hash: string) => call.vote({ phase, hash });
    if ((await cast('preparing', update)) !== 'commit') return statusCodes.ABORTED;
    // What Gitaly votes on has the value before in it, unless the caller does not care for that.
    const before = () => this.#repositories.get(request.replicaPath)?.get(ref);
    const prepared = () => (request.isBlind ? update : `${update}, not ${before()} any more`);
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
    request: StorageRequest,
    change: RefChange,
    call: StorageCall,
    isAllowed: () => Promise<boolean> = () => Promise.resolve(true),
  ): Promise<number> {
    const { name, replicaPath } = request;
    const lock = lockName(replicaPath, change.ref);
    if (!(await this.#lock(lock, name, call))) return statusCodes.ABORTED;
    try {
      return (await isAllowed()) ? await this.#apply(request, change) : statusCodes.ABORTED;
    } finally {
      this.#locked.delete(lock);
    }
  }

  async #lock(lock: string, write: string, call: StorageCall): Promise<boolean> {
    const giveUpAtMs = this.#timeline.monotonicMs() + lockLimitMs;
    while (this.#locked.has(lock)) {
      if (this.#timeline.monotonicMs() > giveUpAtMs) return false;
      await this.#work(1, 20);
    }
    if (call.isBroken) return false;
    this.#locked.set(lock, write);
    return true;
  }

  async #apply(
    { replicaPath, creates }: StorageRequest,
    { ref, value }: RefChange,
  ): Promise<number> {
    // Nearly always at once, sometimes on a disk that is busy.
    await this.#work(0.1, this.#timeline.chance(0.1) ? 300 : 10);
    if (this.#happens('failsToApply')) return statusCodes.INTERNAL;
    if (this.#happens('crashesBeforeApplying')) await this.#fall();
    const held = this.#repositories.get(replicaPath);
    if (held === undefined && creates !== true) return statusCodes.NOT_FOUND;
    (held ?? this.create(replicaPath)).set(ref, value);
    this.#onChange();
    this.#timeline.tell(() => `${this.name} has ${ref}=${value}`);
    if (this.#happens('crashesAfterApplying')) await this.#fall();
    return statusCodes.OK;
  }

  async exists(path: string): Promise<boolean> {
    await this.#work(0.2, 3);
    return this.#repositories.has(path);
  }

  /** @throws Error if it has no such repository */
  async checksum(path: string): Promise<string> {
    await this.#work(0.5, 5);
    if (!this.#repositories.has(path)) throw new Error(`${this.name} has no ${path}`);
    return this.contents(path);
  }

  /** What a read gets that comes now, or undefined. */
  async read(path: string): Promise<ReadonlyMap<string, string> | undefined> {
    await this.#work(0.2, 5);
    const refs = this.#repositories.get(path);
    return refs && new Map(refs);
  }

  /** Removes a repository; one that is not there is fine. With `call` it asks before it does so. */
  async remove(path: string, call?: StorageCall): Promise<void> {
    await this.#work(0.5, this.#timeline.chance(0.2) ? 2000 : 10);
    const vote = { phase: 'prepared', hash: path } as const;
    if (call !== undefined && (await call.vote(vote)) !== 'commit') {
      throw new Error('the removal was refused');
    }
    if (!this.#repositories.delete(path)) return;
    this.#onChange();
    this.#timeline.tell(() => `${this.name} has removed ${path}`);
  }

  /** All references in one text: equal for equal replicas. */
  contents(path: string): string {
    const refs = this.#repositories.get(path);
    if (refs === undefined) return 'nothing';
    return [...refs]
      .map(([ref, value]) => `${ref}=${value}`)
      .toSorted((a, b) => (a < b ? -1 : 1))
      .join(' ');
  }

  /**
   * Becomes like the source was a moment ago, as Gitaly does: in one reference transaction, which
   * votes. The references are locked from that on.
   */
  async replicate(path: string, source: SimulatedStorage, call: StorageCall): Promise<void> {
    await this.#work(2, this.#timeline.chance(0.2) ? 2000 : 40);
    const original = source.refs(path);
    if (!source.process.isRunning || original === undefined) {
      throw new Error(`${source.name} cannot be reached`);
    }
    const copy = new Map(original);
    await this.#work(1, 40);
    const held = this.#repositories.get(path) ?? this.create(path);
    const changes = [...new Set([...copy.keys(), ...held.keys()])]
      .filter((ref) => copy.get(ref) !== held.get(ref))
      .toSorted((a, b) => (a < b ? -1 : 1));
    if (changes.length === 0) return;
    const locked: string[] = [];
    try {
      for (const ref of changes) {
        const lock = lockName(path, ref);
        if (!(await this.#lock(lock, 'copy', call))) throw new Error(`${ref} is locked`);
        locked.push(lock);
      }
      const vote = { phase: 'prepared', hash: changes.join() } as const;
      if ((await call.vote(vote)) !== 'commit') throw new Error('the copy was refused');
      await this.#work(0.1, this.#timeline.chance(0.1) ? 300 : 10);
      for (const ref of changes) {
        const value = copy.get(ref);
        if (value === undefined) held.delete(ref);
        else held.set(ref, value);
      }
      this.#onChange();
    } finally {
      for (const lock of locked) this.#locked.delete(lock);
    }
    this.#timeline.tell(() => `${this.name} has copied ${source.name}: ${this.contents(path)}`);
  }

  #happens(fault: keyof StorageFaults): boolean {
    if (this.#failures.delete(fault)) return true;
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

function lockName(path: string, ref: string): string {
  return `${path} ${ref}`;
}
