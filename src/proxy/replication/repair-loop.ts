import { backoffDelayMs, type BackoffPolicy } from '../../base/backoff.ts';
import { sleep, type Clock } from '../../base/clock.ts';
import { errorMessage } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Random } from '../../base/random.ts';
import type { Stoppable } from '../../base/scope.ts';
import type { Barrier, RepairClaim, RepositoryRecord } from '../routing/repository-record.ts';
import type { ControlStore } from '../store/control-store.ts';
import type { StoreOutage } from '../store/store-outage.ts';
import { hasBarrier, lowerBarrier } from '../transactions/barrier-changes.ts';
import { abandonIntent, releaseRepair } from '../transactions/record-changes.ts';
import type { WriteRegistry } from '../transactions/write-registry.ts';
import type { StorageDirectory } from '../upstream/storage-directory.ts';
import type { Membership } from '../view/membership.ts';
import { removeLeaving } from './leaving.ts';
import { planRepair, type RepairStep } from './plan.ts';
import { preferredOwner } from './preferred-owner.ts';
import { bringInSync, type RepairerOptions } from './repairer.ts';
import type { Settler } from './settler.ts';

export interface RepairLoopOptions {
  readonly owner: string;
  readonly store: ControlStore;
  readonly storages: StorageDirectory;
  readonly membership: Pick<Membership, 'live' | 'isAbandoned'>;
  readonly writes: Pick<WriteRegistry, 'isHeld'>;
  readonly settler: Settler;
  readonly repair: RepairerOptions;
  readonly metrics: RepairMetrics;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Told whether the repositories can be looked through. */
  readonly outage: Pick<StoreOutage, 'failed' | 'worked'>;
  /** Between looks at the repositories that are not settled. Default 500 ms. */
  readonly intervalMs?: number;
  /**
   * Between looks at all of them, the first of which is at the start: the configuration may ask for
   * more replicas than a settled repository has. Default 5 min.
   */
  readonly fullIntervalMs?: number;
  /** Repairs of this proxy at the same time. Default 4. */
  readonly parallel?: number;
}

/** What is counted of repairs. */
export interface RepairMetrics {
  /** A replica is being brought in sync. @returns what is to be called when that has ended */
  repairStarted(
    virtualStorage: string,
    storage: string,
  ): (outcome: 'inSync' | 'waits' | 'failed', seconds: number) => void;
}

/**
 * Something of this proxy in the record that it does not look after: the store has taken it, and the
 * answer was lost. While this proxy lives nobody else may settle it.
 */
type GiveUpStep =
  | { readonly kind: 'giveUp'; readonly transaction: string }
  | { readonly kind: 'giveUpRepair'; readonly claim: RepairClaim }
  /** Whoever raised it is gone. It holds nothing back any more, yet the repository counts as unsettled. */
  | { readonly kind: 'lowerBarrier'; readonly barrier: Barrier };

const pageSize = 200;
/** So long after its end a barrier is taken away: its owner may have lowered it, or be about to. */
const barrierGraceMs = 5000;
const retryPolicy: BackoffPolicy = { initialMs: 500, maxMs: 60_000 };

/**
 * Looks through the repositories that are not settled, now and then through all, and does what each
 * needs next. The proxies
 * share the work by agreement over who is alive; where they disagree for a moment, compare-and-swap
 * keeps them apart.
 */
export class RepairLoop implements Stoppable {
  readonly #options: RepairLoopOptions;
  readonly #stopping = new AbortController();
  readonly #running = new Map<bigint, Promise<void>>();
  /** Repositories whose last step failed, and when they may be tried again. */
  readonly #failures = new Map<bigint, { attempts: number; notBeforeMs: number }>();
  #fullLookAtMs = Number.NEGATIVE_INFINITY;
  #loop: Promise<void> | undefined;

  constructor(options: RepairLoopOptions) {
    this.#options = options;
  }

  start(): void {
    this.#loop ??= this.#runForever();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loop;
    await Promise.all(this.#running.values());
  }

  async #runForever(): Promise<void> {
    const { clock, outage, intervalMs = 500 } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await sleep(clock, intervalMs, signal).catch(() => {});
      if (signal.aborted) return;
      try {
        await this.#look();
        outage.worked('repositories');
      } catch (error) {
        outage.failed('repositories', error);
      }
    }
  }

  async #look(): Promise<void> {
    const { clock, storages, fullIntervalMs = 300_000 } = this.#options;
    // Storages that were not heard of yet get no replica; the next full look is far.
    const isSettling = storages.all.some((virtualStorage) => virtualStorage.isSettling());
    if (isSettling || clock.monotonicMs() < this.#fullLookAtMs) return this.#lookThrough(true);
    await this.#lookThrough(false);
    this.#fullLookAtMs = clock.monotonicMs() + fullIntervalMs;
  }

  async #lookThrough(onlyUnsettled: boolean): Promise<void> {
    const { store, parallel = 4 } = this.#options;
    const seen = new Set<bigint>();
    let afterId = 0n;
    for (;;) {
      const page = await store.list({ onlyUnsettled, afterId, limit: pageSize });
      for (const record of page) {
        seen.add(record.id);
        afterId = record.id;
        while (this.#running.size >= parallel) await Promise.race(this.#running.values());
        if (this.#stopping.signal.aborted) return;
        this.#consider(record);
      }
      if (page.length < pageSize) break;
    }
    for (const id of this.#failures.keys()) if (!seen.has(id)) this.#failures.delete(id);
  }

  #consider(record: RepositoryRecord): void {
    const { clock } = this.#options;
    if (this.#running.has(record.id)) return;
    if ((this.#failures.get(record.id)?.notBeforeMs ?? 0) > clock.monotonicMs()) return;
    const step = this.#nextStep(record);
    if (step.kind === 'nothing' || step.kind === 'blocked') return;
    const running = this.#run(record, step).finally(() => this.#running.delete(record.id));
    this.#running.set(record.id, running);
  }

  #nextStep(record: RepositoryRecord): RepairStep | GiveUpStep {
    const { storages, membership, writes, owner, clock } = this.#options;
    const orphan = record.intents.find(
      (intent) => intent.owner === owner && !writes.isHeld(intent.transaction),
    );
    if (orphan !== undefined) return { kind: 'giveUp', transaction: orphan.transaction };
    const claim = record.replicas.find(({ repair }) => repair?.owner === owner)?.repair;
    if (claim !== undefined) return { kind: 'giveUpRepair', claim };
    const virtualStorage = storages.get(record.virtualStorage);
    if (virtualStorage === undefined || preferredOwner(record.id, membership.live) !== owner) {
      return { kind: 'nothing' };
    }
    const { barrier } = record;
    if (barrier !== undefined && !hasBarrier(record, clock.wallMs() - barrierGraceMs)) {
      return { kind: 'lowerBarrier', barrier };
    }
    return planRepair(record, virtualStorage.nodes(), virtualStorage.policy, (intent) =>
      membership.isAbandoned(intent),
    );
  }

  async #run(record: RepositoryRecord, step: RepairStep | GiveUpStep): Promise<void> {
    const { settler, repair, logger } = this.#options;
    try {
      if (step.kind === 'giveUp') {
        const { transaction } = step;
        await repair.view.change(record, (current) => abandonIntent(current, transaction));
      } else if (step.kind === 'giveUpRepair') {
        await repair.view.change(record, (current) => releaseRepair(current, step.claim));
      } else if (step.kind === 'lowerBarrier') {
        await repair.view.change(record, (current) => lowerBarrier(current, step.barrier));
      } else if (step.kind === 'removeReplica') await removeLeaving(record, step.storage, repair);
      else if (step.kind !== 'bringInSync') await settler.settle(record);
      else await this.#bringInSync(record, step.storage, step.source);
      this.#failures.delete(record.id);
    } catch (error) {
      const { id, relativePath } = record;
      logger.warn(
        { id, relativePath, step, err: errorMessage(error) },
        'repair will be tried again',
      );
      this.#noteFailure(id);
    }
  }

  /** @throws Error with what is in the way, besides what {@link bringInSync} rejects with */
  async #bringInSync(record: RepositoryRecord, target: string, source: string): Promise<void> {
    const { repair, metrics, clock, logger } = this.#options;
    const ended = metrics.repairStarted(record.virtualStorage, target);
    const startedMs = clock.monotonicMs();
    let result: 'inSync' | 'waits' | 'failed' = 'failed';
    try {
      const outcome = await bringInSync(record, target, source, repair);
      if (outcome.kind === 'notYet') throw new Error(outcome.reason);
      result = outcome.kind;
      if (outcome.kind === 'inSync') return;
      const { id, relativePath } = record;
      logger.debug({ id, relativePath, reason: outcome.reason }, 'a repair waits for another');
    } finally {
      ended(result, (clock.monotonicMs() - startedMs) / 1000);
    }
  }

  #noteFailure(id: bigint): void {
    const { clock, random } = this.#options;
    const attempts = (this.#failures.get(id)?.attempts ?? 0) + 1;
    const notBeforeMs = clock.monotonicMs() + backoffDelayMs(retryPolicy, attempts, random);
    this.#failures.set(id, { attempts, notBeforeMs });
  }
}
