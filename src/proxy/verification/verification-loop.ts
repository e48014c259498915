import { sleep, type Clock } from '../../base/clock.ts';
import { assertNever, errorMessage } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Stoppable } from '../../base/scope.ts';
import { inSyncVoters, type RepositoryRecord } from '../routing/repository-record.ts';
import type {
  VerificationQueue,
  VerificationResult,
  VerificationTurn,
} from '../store/verification-queue.ts';
import type { Membership } from '../view/membership.ts';
import { CallBudget } from './call-budget.ts';
import { queueIntervalMs, type VerificationPolicy } from './policy.ts';
import type { Verification } from './verifier.ts';

export interface VerificationLoopOptions {
  readonly queue: Pick<VerificationQueue, 'take' | 'end'>;
  /** Compares the replicas of a repository: see `verifyReplicas`. */
  verify(record: RepositoryRecord): Promise<Verification>;
  readonly membership: Pick<Membership, 'live'>;
  readonly policy: VerificationPolicy;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Repositories at the same time. Default 2. */
  readonly parallel?: number;
}

/** Whether each replica is there, and what it holds. */
const callsPerReplica = 2;
/** How long to wait when nothing was due, at most. */
const idleMs = 10_000;
/** After how long one that was postponed has its turn again, at most. */
const retryMs = 600_000;
/** A proxy that dies holds its turns for so long, at most. Two that have the same turn find the same. */
const leaseMs = 600_000;

/**
 * Verifies repositories whose turn it is, slowly, one after the other. Each proxy takes turns from the
 * store, so that they share the work, and a proxy that starts goes on where others have stopped. A look
 * at the queue costs the same however many repositories there are.
 */
export class VerificationLoop implements Stoppable {
  readonly #options: VerificationLoopOptions;
  readonly #intervalMs: number;
  readonly #stopping = new AbortController();
  readonly #running = new Set<Promise<void>>();
  readonly #budget = new CallBudget();
  #loop: Promise<void> | undefined;

  constructor(options: VerificationLoopOptions) {
    this.#options = options;
    this.#intervalMs = queueIntervalMs(options.policy);
  }

  start(): void {
    this.#loop ??= this.#runForever();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loop;
    await Promise.all(this.#running);
  }

  async #runForever(): Promise<void> {
    const { clock, logger } = this.#options;
    const pauseMs = Math.min(idleMs, this.#intervalMs / 10);
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      let taken = 0;
      try {
        taken = await this.#takeTurns();
      } catch (error) {
        // Others tell that the store is away.
        logger.debug({ err: errorMessage(error) }, 'the queue of verifications cannot be asked');
      }
      if (taken > 0) await Promise.race(this.#running);
      else await sleep(clock, pauseMs, signal).catch(() => {});
    }
  }

  async #takeTurns(): Promise<number> {
    const { queue, parallel = 2 } = this.#options;
    const limit = parallel - this.#running.size;
    if (limit <= 0) return this.#running.size;
    const turns = await queue.take({
      intervalMs: this.#intervalMs,
      leaseMs: Math.min(leaseMs, this.#intervalMs),
      limit,
    });
    for (const turn of turns) {
      const running = this.#run(turn).finally(() => this.#running.delete(running));
      this.#running.add(running);
    }
    return turns.length;
  }

  /**
   * Verifies a repository now, whoever's turn it is.
   *
   * @throws StoreUnavailableError
   */
  async verifyNow(record: RepositoryRecord): Promise<Verification> {
    return this.#verify({ record });
  }

  async #run(turn: VerificationTurn): Promise<void> {
    const { clock, logger } = this.#options;
    const { signal } = this.#stopping;
    const { id, virtualStorage, relativePath } = turn.record;
    try {
      await sleep(clock, this.#book(turn.record), signal).catch(() => {});
      if (!signal.aborted) await this.#verify(turn);
    } catch (error) {
      // Its turn comes again when its time is over.
      const err = errorMessage(error);
      logger.warn({ id, virtualStorage, relativePath, err }, 'a verification came to nothing');
    }
  }

  async #verify(turn: {
    readonly record: RepositoryRecord;
    readonly token?: string;
  }): Promise<Verification> {
    const { queue, logger } = this.#options;
    const { id, virtualStorage, relativePath } = turn.record;
    const verification = await this.#options.verify(turn.record);
    if (verification.kind === 'undecidable') {
      const { finding } = verification;
      logger.error(
        { id, virtualStorage, relativePath, finding },
        'nobody but a person can tell which replica is right',
      );
    }
    const result = this.#resultOf(verification);
    if (result !== undefined) await queue.end(turn, result);
    return verification;
  }

  /** Each proxy that is alive uses its part of the budget. */
  #book(record: RepositoryRecord): number {
    const { policy, membership, clock } = this.#options;
    const perSecond = policy.callsPerSecond / Math.max(1, membership.live.size);
    const storages = inSyncVoters(record).map((name) => `${record.virtualStorage}/${name}`);
    return this.#budget.book(storages, callsPerReplica, perSecond, clock.monotonicMs());
  }

  #resultOf(verification: Verification): VerificationResult | undefined {
    const again = {
      kind: 'postponed',
      intervalMs: this.#intervalMs,
      retryMs: Math.min(retryMs, this.#intervalMs),
    } as const;
    switch (verification.kind) {
      case 'verified':
        return verification;
      case 'leftBehind':
        return verification.unseen.length === 0 ? { kind: 'verified' } : again;
      case 'undecidable':
        return { ...again, finding: verification.finding };
      case 'postponed':
        return again;
      case 'gone':
        return undefined;
      default:
        return assertNever(verification);
    }
  }
}
