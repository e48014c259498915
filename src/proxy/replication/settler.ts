import { errorMessage } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import {
  inSyncVoters,
  type Barrier,
  type Intent,
  type RepositoryRecord,
} from '../routing/repository-record.ts';
import { settleAbandoned } from '../transactions/record-changes.ts';
import type { ControlCalls } from '../upstream/control-calls.ts';
import { removeReplicas } from '../upstream/remove-replicas.ts';
import type { ControlStore } from '../store/control-store.ts';
import type { VerificationQueue } from '../store/verification-queue.ts';
import { underBarrier, type BarrierOptions } from './barrier.ts';

export interface SettlerOptions extends BarrierOptions {
  readonly store: Pick<ControlStore, 'remove'> & {
    readonly verifications: Pick<VerificationQueue, 'recheck'>;
  };
  readonly storages: { get(virtualStorage: string): SettlingStorages | undefined };
  readonly logger: Logger;
  /** How long after a settlement the replicas are verified again. Default 30 s. */
  readonly recheckAfterMs?: number;
}

/** The storages of a virtual storage. */
interface SettlingStorages {
  control(storage: string): Pick<ControlCalls, 'fingerprint' | 'remove'>;
}

/**
 * A storage that answers may still have to carry out what it was told before: it waits for a lock of git, for some
 * seconds, or the message was lost and TCP sends it anew, up to seven times within 26 s, also from the machine of a
 * proxy that is gone. One that stands still does not answer, and is behind.
 */
const defaultRecheckAfterMs = 30_000;

/**
 * Settles writes whose owner is gone. Nobody was told that they were done, so either outcome is
 * right; what counts is that the replicas which stay in sync are equal.
 */
export class Settler {
  readonly #options: SettlerOptions;
  /** One settlement a repository at a time; whoever comes later waits for the same one. */
  readonly #running = new Map<bigint, Promise<void>>();

  constructor(options: SettlerOptions) {
    this.#options = options;
  }

  /** Resolves when it was tried. Rejects only when the store is away. */
  settle(record: RepositoryRecord): Promise<void> {
    const running = this.#running.get(record.id);
    if (running !== undefined) return running;
    const settling = this.#settle(record).finally(() => this.#running.delete(record.id));
    this.#running.set(record.id, settling);
    return settling;
  }

  async #settle(record: RepositoryRecord): Promise<void> {
    const { storages, membership, logger } = this.#options;
    const virtualStorage = storages.get(record.virtualStorage);
    if (virtualStorage === undefined) return;
    const creation = record.intents.find((intent) => intent.kind === 'creation');
    if (creation !== undefined) {
      await membership.refresh();
      if (membership.isAbandoned(creation)) await this.#takeBackCreation(record, virtualStorage);
      return;
    }
    const outcome = await underBarrier(record, this.#options, (quiet, barrier) =>
      this.#compareAndSettle(quiet, barrier, virtualStorage),
    );
    const { id, relativePath } = record;
    if (outcome.kind === 'busy') {
      logger.info({ id, relativePath, reason: outcome.reason }, 'abandoned writes wait');
    }
  }

  /**
   * 1. Ask every in-sync voter for its checksum; one that does not answer is out.
   * 2. Go on with the contents of the primary if it answered, else with those that most have.
   * 3. What is equal now may become different, so it is to be verified once more.
   */
  async #compareAndSettle(
    quiet: RepositoryRecord,
    barrier: Barrier,
    virtualStorage: SettlingStorages,
  ): Promise<void> {
    const { view, membership, logger } = this.#options;
    const isAbandoned = (intent: Intent) => membership.isAbandoned(intent);
    const voters = inSyncVoters(quiet);
    const checksums = await checksumsOf(voters, quiet, virtualStorage);
    const chosen = checksums.get(quiet.primary) ?? mostFrequent([...checksums.values()]);
    if (chosen === undefined) return;
    const equal = voters.filter((storage) => checksums.get(storage) === chosen);
    await this.#recheckLater(quiet);
    const settled = await view.change(quiet, (current) =>
      settleAbandoned(current, { barrier, equal, isAbandoned }),
    );
    if (settled.kind !== 'changed') return;
    const { id, relativePath, epoch } = settled.record;
    logger.warn(
      { id, relativePath, epoch, equal, behind: voters.filter((voter) => !equal.includes(voter)) },
      'writes of a proxy that is gone were settled',
    );
    await view.departuresKnown(settled.record);
  }

  /** Before the record changes: who dies in between leaves a look too many, and not one too few. */
  async #recheckLater({ id, relativePath }: RepositoryRecord): Promise<void> {
    const { store, logger, recheckAfterMs = defaultRecheckAfterMs } = this.#options;
    try {
      await store.verifications.recheck(id, recheckAfterMs);
    } catch (error) {
      const err = errorMessage(error);
      logger.warn({ id, relativePath, err }, 'what is settled is not verified again soon');
    }
  }

  /** The client was not told that the repository exists: it does not. */
  async #takeBackCreation(
    record: RepositoryRecord,
    virtualStorage: SettlingStorages,
  ): Promise<void> {
    const { store, view, logger } = this.#options;
    const removed = await store.remove(record);
    await view.refresh(record);
    if (removed.kind !== 'swapped') return;
    const { id, relativePath } = record;
    logger.warn({ id, relativePath }, 'a creation that was not finished was taken back');
    await removeReplicas(record, virtualStorage, logger);
  }
}

async function checksumsOf(
  storages: readonly string[],
  record: RepositoryRecord,
  virtualStorage: SettlingStorages,
): Promise<ReadonlyMap<string, string>> {
  const checksums = new Map<string, string>();
  await Promise.all(
    storages.map(async (storage) => {
      try {
        checksums.set(
          storage,
          await virtualStorage.control(storage).fingerprint(record.replicaPath, 5000),
        );
      } catch {
        // A storage that cannot tell what it holds cannot be in sync.
      }
    }),
  );
  return checksums;
}

function mostFrequent(values: readonly string[]): string | undefined {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].toSorted((a, b) => b[1] - a[1])[0]?.[0];
}
