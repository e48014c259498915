import type { Clock, Timer } from '../../src/base/clock.ts';
import type { Random } from '../../src/base/random.ts';
import type { Pace } from './pace.ts';
import { ReplicaTally, setsByStorage, type ReplicaSets } from './replica-sets.ts';
import { PhaseRecord, type PhaseBar, type StoragePhase } from './storage-phases.ts';

/** How long things take, in seconds of the round. */
export interface StorageTimes {
  /** Until all proxies have taken note of a drain. */
  readonly notice: number;
  /** The longest that calls go on after that; each storage's last one takes some time up to that. */
  readonly longestCall: number;
  /** Until a storage that is back has copied what it has missed. */
  readonly catchUp: number;
}

/** Calls that go on while a storage is drained. */
export interface SimulatedDrain {
  readonly requester: string;
  readonly reason: string;
  /** By the wall clock. */
  readonly requestedMs: number;
  readonly isNoticed: boolean;
  readonly isDrained: boolean;
}

/** A storage as the proxies see it. */
export interface SimulatedStorage {
  readonly healthy: boolean;
  readonly inSync: boolean;
  readonly zone: string;
  readonly drain: SimulatedDrain | undefined;
}

/** What the storages and their world are made from. */
export interface SimulatedStoragesOptions {
  readonly storages: number;
  readonly sets: ReplicaSets;
  readonly times: StorageTimes;
  readonly pace: Pace;
  readonly clock: Clock;
  readonly random: Random;
}

interface Drain {
  readonly requester: string;
  readonly reason: string;
  readonly requestedMs: number;
  readonly noticedAtMs: number;
  readonly endsAtMs: number;
}

interface State {
  isReady: boolean;
  isInSync: boolean;
  zone: string;
  drain?: Drain | undefined;
  catchUp?: Timer | undefined;
}

/**
 * The storages of a cluster, as a small model:
 *
 * - all replicas of a storage whose pod is away are behind at once, as if each repository were written to, and in sync
 *   again some time after the pod is ready;
 * - clients have calls on each storage. They end some time after its drain was asked for, and no new ones begin;
 * - what is drained still takes writes, and so stays in sync.
 *
 * It also measures: after each change, how many usable replicas the repository with the fewest has. Usable are those
 * in sync on a storage whose pod is ready and whose drain nobody has asked for.
 */
export class SimulatedStorages {
  readonly #options: SimulatedStoragesOptions;
  readonly #states: readonly State[];
  readonly #usable: ReplicaTally;
  readonly #inSync: ReplicaTally;
  #phases: PhaseRecord;
  #fewestUsable: number;

  constructor(options: SimulatedStoragesOptions) {
    const { storages, sets } = options;
    const byStorage = setsByStorage(sets, storages);
    this.#options = options;
    this.#states = byStorage.map(() => ({ isReady: true, isInSync: true, zone: '' }));
    this.#usable = new ReplicaTally(sets, byStorage);
    this.#inSync = new ReplicaTally(sets, byStorage);
    this.#phases = this.#newRecord();
    this.#fewestUsable = sets.replicas;
  }

  /** Begins to measure, with the storages as they are. */
  beginRound(): void {
    this.#phases = this.#newRecord();
    this.#fewestUsable = this.#usable.lowest();
  }

  /** The fewest usable replicas that any repository had at any time since the round began. */
  get fewestUsable(): number {
    return this.#fewestUsable;
  }

  /** What the storages did since the round began. */
  bars(): readonly PhaseBar[] {
    return this.#phases.bars();
  }

  /** Whether every storage serves its clients with all replicas. */
  get areAllServing(): boolean {
    return this.#states.every((state) => phaseOf(state) === 'serving');
  }

  /** How many repositories have so many replicas in sync that can be reached. */
  repositoriesWith(inSync: number): number {
    return this.#inSync.repositoriesWith(inSync);
  }

  storage(index: number): SimulatedStorage {
    const { isReady, isInSync, zone, drain } = this.#state(index);
    const nowMs = this.#options.clock.monotonicMs();
    return {
      healthy: isReady,
      inSync: isInSync,
      zone,
      drain: drain && {
        requester: drain.requester,
        reason: drain.reason,
        requestedMs: drain.requestedMs,
        isNoticed: nowMs >= drain.noticedAtMs,
        isDrained: !isReady || nowMs >= drain.endsAtMs,
      },
    };
  }

  setZone(index: number, zone: string): void {
    this.#state(index).zone = zone;
  }

  /** The pod of a storage is ready, or is not, or is gone. */
  setReady(index: number, isReady: boolean): void {
    const state = this.#state(index);
    if (state.isReady === isReady) return;
    const { pace, times, clock } = this.#options;
    state.isReady = isReady;
    state.isInSync = false;
    state.catchUp?.cancel();
    if (isReady) {
      state.catchUp = clock.after(pace.realMs(times.catchUp), () => {
        state.isInSync = true;
        this.#noteChange(index);
      });
    }
    this.#noteChange(index);
  }

  /** Asks for a drain. One that was asked for already goes on as it is. */
  requestDrain(index: number, request: Pick<Drain, 'requester' | 'reason'>): void {
    const state = this.#state(index);
    if (state.drain) return;
    const { clock, pace, times, random } = this.#options;
    const noticedAtMs = clock.monotonicMs() + pace.realMs(times.notice);
    state.drain = {
      ...request,
      requestedMs: clock.wallMs(),
      noticedAtMs,
      endsAtMs: noticedAtMs + pace.realMs(times.longestCall * random.next()),
    };
    this.#noteChange(index);
  }

  cancelDrain(index: number): void {
    this.#state(index).drain = undefined;
    this.#noteChange(index);
  }

  #noteChange(index: number): void {
    const state = this.#state(index);
    const phase = phaseOf(state);
    this.#inSync.set(index, state.isInSync);
    this.#usable.set(index, phase === 'serving');
    this.#fewestUsable = Math.min(this.#fewestUsable, this.#usable.lowest());
    this.#phases.note(index, phase);
  }

  #newRecord(): PhaseRecord {
    const { clock } = this.#options;
    const begunMs = clock.monotonicMs();
    return new PhaseRecord(() => clock.monotonicMs() - begunMs);
  }

  #state(index: number): State {
    const state = this.#states[index];
    if (state === undefined) throw new Error(`there is no storage ${index}`);
    return state;
  }
}

function phaseOf({ isReady, isInSync, drain }: State): StoragePhase {
  if (!isReady) return 'away';
  if (!isInSync) return 'catchingUp';
  return drain ? 'drained' : 'serving';
}
