import { backoffDelayMs, type BackoffPolicy } from '../../base/backoff.ts';
import type { Clock } from '../../base/clock.ts';
import { errorMessage } from '../../base/errors.ts';
import type { Random } from '../../base/random.ts';
import { statusCodes } from '../../rpc/status.ts';
import type { RepositoryRecord } from '../routing/repository-record.ts';
import { StoreUnavailableError } from '../store/control-store.ts';
import { UpstreamError } from '../upstream/unary-call.ts';
import type { InvolvedStorages } from './repair-slots.ts';

/** Whose fault it is that a step of repair has failed. */
export type Blame =
  /** The store was away, this proxy has lost its lease, or a storage has died: it says nothing. */
  | 'nobody'
  /** A storage cannot do what it is asked for now, whichever repository it is. */
  | 'storage'
  | 'repository';

/** Decides whom a failure speaks against (pure). */
export function blameFor(
  error: unknown,
  facts: { readonly hasHeldLease: boolean; readonly areStoragesHealthy: boolean },
): Blame {
  if (error instanceof StoreUnavailableError) return 'nobody';
  if (!facts.hasHeldLease || !facts.areStoragesHealthy) return 'nobody';
  const isAway = error instanceof UpstreamError && error.code === statusCodes.UNAVAILABLE;
  return isAway ? 'storage' : 'repository';
}

/** The last failure of a repository's repair. */
export interface RepairFailure extends InvolvedStorages {
  readonly id: bigint;
  readonly virtualStorage: string;
  readonly relativePath: string;
  readonly reason: string;
  readonly blame: Blame;
  /** Attempts in a row that speak against the repository. */
  readonly attempts: number;
}

interface Wait {
  readonly attempts: number;
  readonly failedAtMs: number;
  readonly delayMs: number;
}

interface StorageTrouble {
  /** Different repositories that have failed there since the last success, up to what counts. */
  readonly repositories: ReadonlySet<bigint>;
  readonly wait: Wait | undefined;
}

const retryPolicy: BackoffPolicy = { initialMs: 500, maxMs: 60_000 };
/** A repository that refuses writes is tried again after that at the latest. */
const urgentWaitMs = 5000;
/** Failures of so many different repositories in a row speak against their storage. */
const repositoriesToBlame = 5;
/** So often a replica is repaired without a wait: storages come and go. */
const freeRepairs = 2;
/** One that has stayed in sync for so long begins anew. */
const calmMs = 600_000;
/** The failure that is longest ago is forgotten first. */
const maxFailures = 10_000;

/**
 * What has failed, and when it may be tried again. A repository's failures count for each of its replicas on its own,
 * so that one storage with a full disk does not keep another from being repaired. Bounded in memory.
 */
export class RepairFailures {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #failures = new Map<string, RepairFailure & Wait>();
  readonly #storages = new Map<string, StorageTrouble>();
  /** Replicas that were repaired; the one that is longest ago first. */
  readonly #repaired = new Map<string, Wait & { readonly storage: string }>();

  constructor({ clock, random }: { readonly clock: Clock; readonly random: Random }) {
    this.#clock = clock;
    this.#random = random;
  }

  /** A step has failed. */
  add(record: RepositoryRecord, involved: InvolvedStorages, error: unknown, blame: Blame): void {
    const { id, virtualStorage, relativePath } = record;
    const key = keyOf(record, involved.target);
    const before = this.#failures.get(key);
    const attempts = (before?.attempts ?? 0) + (blame === 'repository' ? 1 : 0);
    const reason = errorMessage(error);
    const failure = { id, virtualStorage, relativePath, ...involved, reason, blame, attempts };
    const wait = blame === 'nobody' ? noWait : this.#waitAfter(Math.max(1, attempts));
    this.#failures.delete(key);
    this.#failures.set(key, { ...failure, ...wait, attempts });
    for (const oldest of this.#failures.keys()) {
      if (this.#failures.size <= maxFailures) break;
      this.#failures.delete(oldest);
    }
    if (blame !== 'nobody' && error instanceof UpstreamError) {
      this.#blameStorage(record, involved.target);
    }
  }

  /** A step has succeeded. */
  clear(record: RepositoryRecord, target: string | undefined): void {
    this.#failures.delete(keyOf(record, target));
    if (target !== undefined) this.#storages.delete(`${record.virtualStorage}/${target}`);
  }

  /**
   * A replica is in sync again. One that falls behind each time, since its storage does something else than the
   * others, waits longer and longer before it is repaired the next time.
   */
  repaired(record: RepositoryRecord, target: string): void {
    const key = keyOf(record, target);
    const before = this.#repaired.get(key);
    const nowMs = this.#clock.monotonicMs();
    const isRelapse = before !== undefined && nowMs - before.failedAtMs < calmMs;
    const attempts = isRelapse ? before.attempts + 1 : 1;
    const isFree = attempts <= freeRepairs;
    const wait = isFree ? noWait : this.#waitAfter(attempts - freeRepairs);
    this.#repaired.delete(key);
    const storage = `${record.virtualStorage}/${target}`;
    this.#repaired.set(key, { ...wait, attempts, failedAtMs: nowMs, storage });
    for (const oldest of this.#repaired.keys()) {
      if (this.#repaired.size <= maxFailures) break;
      this.#repaired.delete(oldest);
    }
  }

  /** Whether a step is not to be tried yet. */
  holdsBack(record: RepositoryRecord, target: string | undefined, isUrgent: boolean): boolean {
    const trouble = this.#storages.get(`${record.virtualStorage}/${target}`);
    const key = keyOf(record, target);
    const waits = [this.#failures.get(key), this.#repaired.get(key), trouble?.wait];
    return waits.some((wait) => {
      if (wait === undefined) return false;
      const delayMs = isUrgent ? Math.min(wait.delayMs, urgentWaitMs) : wait.delayMs;
      return this.#clock.monotonicMs() < wait.failedAtMs + delayMs;
    });
  }

  /** A storage can be reached again: what has failed with it may work now. */
  storageReturned(virtualStorage: string, storage: string): void {
    const name = `${virtualStorage}/${storage}`;
    this.#storages.delete(name);
    for (const [key, repaired] of this.#repaired) {
      if (repaired.storage === name) this.#repaired.delete(key);
    }
    for (const [key, failure] of this.#failures) {
      if (failure.virtualStorage !== virtualStorage) continue;
      if (failure.target === storage || failure.source === storage) this.#failures.delete(key);
    }
  }

  /** What has failed last, and has not succeeded since; at most 10,000, the latest last. */
  get all(): Iterable<RepairFailure> {
    return this.#failures.values();
  }

  #blameStorage({ id, virtualStorage }: RepositoryRecord, target: string | undefined): void {
    if (target === undefined) return;
    const key = `${virtualStorage}/${target}`;
    const before = this.#storages.get(key);
    const repositories = new Set(before?.repositories).add(id);
    if (repositories.size < repositoriesToBlame) {
      this.#storages.set(key, { repositories, wait: before?.wait });
      return;
    }
    const wait = this.#waitAfter((before?.wait?.attempts ?? 0) + 1);
    this.#storages.set(key, { repositories: new Set(), wait });
  }

  #waitAfter(attempts: number): Wait {
    const delayMs = backoffDelayMs(retryPolicy, attempts, this.#random);
    return { attempts, failedAtMs: this.#clock.monotonicMs(), delayMs };
  }
}

const noWait: Wait = { attempts: 0, failedAtMs: 0, delayMs: 0 };

function keyOf({ id }: RepositoryRecord, target = ''): string {
  return `${id}/${target}`;
}
