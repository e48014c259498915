import { backoffDelayMs, type BackoffPolicy } from '../../base/backoff.ts';
import { withTimeout, type Clock } from '../../base/clock.ts';
import { assertNever, errorMessage } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Random } from '../../base/random.ts';
import type { Stoppable } from '../../base/scope.ts';
import type { StorageIdentity, StorageKey } from '../store/storage-identity.ts';
import { compareVolumes, type IdentityStep } from '../transactions/lost-volume.ts';
import type { VolumeVerdict } from '../upstream/storage-volume.ts';
import {
  replaceVolume,
  type ReplacementOutcome,
  type VolumeReplacementOptions,
} from './volume-replacement.ts';

export interface VolumeGuardOptions extends Omit<
  VolumeReplacementOptions,
  'signal' | 'onGivenUp' | 'keepsTheRest'
> {
  readonly metrics: VolumeMetrics;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** What is told of volumes. */
export interface VolumeMetrics {
  /** Whether a storage shows another volume than records speak of. */
  volumeCompared(key: StorageKey, isReplaced: boolean): void;
  /** Repositories that may be nowhere but on the volume that is gone. */
  repositoriesKept(key: StorageKey, repositories: number): void;
  replicasGivenUp(key: StorageKey, replicas: number): void;
}

/** A health check waits no longer for the store: while that is silent, what is known has to do. */
const storeLimitMs = 1000;
const retryPolicy: BackoffPolicy = { initialMs: 1000, maxMs: 60_000 };

/** What this proxy knows of one storage's volume. */
interface Known {
  /**
   * The one that was right when the store said so last. Undefined if it never did, and as soon as the
   * storage has shown another one: which of them counts by now only the store can tell.
   */
  filesystemId?: string;
  /** What the storage has shown last. */
  shown?: string;
  /** What was told last, since a storage is looked at again and again. */
  told?: string;
  /** Whether it was told that the storage shows none. */
  isAnonymous?: boolean;
  /** Repositories that keep a replacement from being done. */
  kept: number;
  running?: Promise<void>;
  attempts: number;
  notBeforeMs: number;
}

export type AcceptVolumeOutcome =
  /** `kept`: repositories for which the volume was taken as it is. */
  | { readonly kind: 'accepted'; readonly kept: number }
  /** For people: why, and what to do. */
  | { readonly kind: 'refused'; readonly reason: string };

type Settled = Exclude<IdentityStep, { readonly kind: 'put' }>;

/**
 * Notices when a storage has another volume than the records of repositories speak of: an empty one,
 * most likely. Such a storage gets no calls until all that is in sync elsewhere was given up there, so
 * that repair copies it anew. What is in sync nowhere else stays, and waits for a person.
 */
export class VolumeGuard implements Stoppable {
  readonly #options: VolumeGuardOptions;
  readonly #stopping = new AbortController();
  readonly #known = new Map<string, Known>();

  constructor(options: VolumeGuardOptions) {
    this.#options = options;
  }

  /** Whether a storage that shows this volume may get calls. An empty id: it tells of none. */
  async check(key: StorageKey, shown: string): Promise<VolumeVerdict> {
    const known = this.#knownOf(key);
    known.shown = shown;
    try {
      const { clock } = this.#options;
      const work = this.#compare(key, shown);
      const step = await withTimeout(clock, storeLimitMs, 'to compare its volume', work);
      return this.#judge(key, shown, step, known);
    } catch (error) {
      const verdict = judgeAlone(known.filesystemId, shown, errorMessage(error));
      if (verdict.kind === 'wrong') delete known.filesystemId;
      return verdict;
    }
  }

  /**
   * A person says that the other volume which the storage shows is right, see
   * {@link VolumeReplacementOptions.keepsTheRest}.
   *
   * @throws StoreUnavailableError if the store does not answer: to be tried again
   */
  async accept(key: StorageKey): Promise<AcceptVolumeOutcome> {
    const known = this.#knownOf(key);
    const identity = await this.#options.store.getIdentity(key);
    if (identity?.replacement === undefined || identity.replacement !== known.shown) {
      const reason = `storage ${key.storage} shows this proxy no other volume than before: there is nothing to accept`;
      return { kind: 'refused', reason };
    }
    await known.running;
    const outcome = await this.#replaceNow(identity, known, true);
    if (outcome.kind !== 'replaced') {
      const reason = 'another proxy was faster, or the old volume is back: look again';
      return { kind: 'refused', reason };
    }
    const { kept } = outcome;
    const { filesystemId: before, replacement: now } = identity;
    this.#options.logger.warn(
      { ...key, before, now, kept },
      'a person has accepted the new volume of a storage; what is nowhere else is taken as it is there',
    );
    return { kind: 'accepted', kept };
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    for (const { running } of this.#known.values()) await running;
  }

  /** Looks, and records what has to be recorded, until there is nothing left to record. */
  async #compare(key: StorageKey, shown: string): Promise<Settled> {
    const { store } = this.#options;
    for (;;) {
      const step = compareVolumes(key, await store.getIdentity(key), shown);
      if (step.kind !== 'put') {
        const known = this.#knownOf(key);
        delete known.filesystemId;
        if (step.kind === 'serve' && shown !== '') known.filesystemId = shown;
        return step;
      }
      await store.putIdentity(step.next);
    }
  }

  #judge(key: StorageKey, shown: string, step: Settled, known: Known): VolumeVerdict {
    const { metrics } = this.#options;
    metrics.volumeCompared(key, step.kind !== 'serve');
    switch (step.kind) {
      case 'serve':
        this.#tellRight(key, shown, known);
        return { kind: 'right', isCertain: true };
      case 'shownNone':
        return this.#wrong(key, known, noneShown(step.identity.filesystemId));
      case 'replace':
        this.#replace(step.identity, known);
        return this.#wrong(key, known, otherShown(step.identity, known.kept));
      default:
        return assertNever(step);
    }
  }

  #wrong(key: StorageKey, known: Known, reason: string): VolumeVerdict {
    if (known.told !== reason) {
      known.told = reason;
      this.#options.logger.warn({ ...key, reason }, 'a storage is not used, for its volume');
    }
    return { kind: 'wrong', reason };
  }

  #tellRight(key: StorageKey, shown: string, known: Known): void {
    const { logger, metrics } = this.#options;
    if (shown === '') {
      if (!known.isAnonymous)
        logger.info(
          { ...key },
          'a storage does not tell which volume it has: a lost one would not be noticed',
        );
      known.isAnonymous = true;
    }
    if (known.told !== undefined)
      logger.info({ ...key }, 'a storage is used again, with its volume');
    metrics.repositoriesKept(key, 0);
    delete known.told;
    known.kept = known.attempts = known.notBeforeMs = 0;
  }

  /** Begins with a replacement, unless it is under way or was tried just now. */
  #replace(identity: StorageIdentity, known: Known): void {
    const { clock, random } = this.#options;
    if (known.running !== undefined || clock.monotonicMs() < known.notBeforeMs) return;
    known.running = this.#replaceOnce(identity, known).finally(() => {
      delete known.running;
      known.attempts += 1;
      const delayMs = backoffDelayMs(retryPolicy, known.attempts, random);
      known.notBeforeMs = clock.monotonicMs() + delayMs;
    });
  }

  async #replaceOnce(identity: StorageIdentity, known: Known): Promise<void> {
    try {
      await this.#replaceNow(identity, known, false);
    } catch (error) {
      const { virtualStorage, storage } = identity;
      this.#options.logger.warn(
        { virtualStorage, storage, err: errorMessage(error) },
        'a volume will be replaced a little later',
      );
    }
  }

  async #replaceNow(
    identity: StorageIdentity,
    known: Known,
    keepsTheRest: boolean,
  ): Promise<ReplacementOutcome> {
    const { metrics } = this.#options;
    const { virtualStorage, storage } = identity;
    const key = { virtualStorage, storage };
    let replicas = 0;
    const outcome = await replaceVolume(identity, {
      ...this.#options,
      signal: this.#stopping.signal,
      keepsTheRest,
      onGivenUp: (more) => {
        replicas += more;
        metrics.replicasGivenUp(key, more);
      },
    });
    known.kept = outcome.kind === 'kept' ? outcome.repositories : 0;
    metrics.repositoriesKept(key, known.kept);
    this.#tellOutcome(identity, outcome, replicas);
    return outcome;
  }

  #tellOutcome(identity: StorageIdentity, outcome: ReplacementOutcome, replicas: number): void {
    const { virtualStorage, storage, filesystemId: before, replacement: now } = identity;
    const fields = { virtualStorage, storage, before, now, replicas };
    const { logger } = this.#options;
    if (replicas > 0) {
      logger.warn(fields, 'replicas were given up with the volume that they were on');
    }
    if (outcome.kind === 'replaced') {
      logger.warn(fields, 'the new volume of a storage is recorded; its replicas are copied anew');
    }
  }

  #knownOf({ virtualStorage, storage }: StorageKey): Known {
    const name = `${virtualStorage}\0${storage}`;
    const known = this.#known.get(name) ?? { kept: 0, attempts: 0, notBeforeMs: 0 };
    this.#known.set(name, known);
    return known;
  }
}

/** Without the store: what it said last has to do, so that a storage that comes back serves on. */
function judgeAlone(known: string | undefined, shown: string, failure: string): VolumeVerdict {
  if (shown === known || (shown === '' && known === undefined)) {
    return { kind: 'right', isCertain: false };
  }
  const what =
    known === undefined
      ? `nobody can tell whether it has the volume that it had (${failure})`
      : shown === ''
        ? noneShown(known)
        : `it has another volume than before (filesystem id ${shown}, not ${known})`;
  return { kind: 'wrong', reason: `${what}: bring the control store back` };
}

function noneShown(recorded: string): string {
  return (
    `it does not tell which volume it has, and had ${recorded}: ` +
    'see that its Gitaly can write .gitaly-metadata, and start it again'
  );
}

function otherShown(identity: StorageIdentity, kept: number): string {
  const { virtualStorage, storage, filesystemId, replacement } = identity;
  const what = `it has another volume than before (filesystem id ${replacement}, not ${filesystemId})`;
  if (kept === 0) return `${what}: wait, what was there is copied anew from other replicas`;
  return (
    `${what}, and ${kept === 1 ? 'a repository is' : `${kept} repositories are`} in sync on no other ` +
    'storage that can be reached: bring the old volume back, or the other storages, or accept the loss ' +
    `of each that 'gitaly-ha repository dataloss' lists; ` +
    `or, if this volume is right, run 'gitaly-ha storage accept-volume ${virtualStorage}/${storage}'`
  );
}
