import { sleep, type Clock } from '../../base/clock.ts';
import { assertNever, errorMessage } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Random } from '../../base/random.ts';
import type { Stoppable } from '../../base/scope.ts';
import { isHealthy } from '../routing/node-view.ts';
import type { Barrier, RepairClaim, RepositoryRecord } from '../routing/repository-record.ts';
import type { ControlStore, Placement } from '../store/control-store.ts';
import { placementOf } from '../store/placement.ts';
import type { StoreOutage } from '../store/store-outage.ts';
import { hasBarrier, lowerBarrier } from '../transactions/barrier-changes.ts';
import { abandonIntent, movePrimary, releaseRepair } from '../transactions/record-changes.ts';
import { endMove } from '../transactions/replica-move.ts';
import { retireReplica } from '../transactions/replica-count.ts';
import type { WriteRegistry } from '../transactions/write-registry.ts';
import type { StorageDirectory, VirtualStorage } from '../upstream/storage-directory.ts';
import type { Membership } from '../view/membership.ts';
import { exampleOf } from './example-record.ts';
import { removeLeaving } from './leaving.ts';
import { planRepair, type RepairStep } from './plan.ts';
import { preferredOwner } from './preferred-owner.ts';
import type { RepairRoom } from './repair-room.ts';
import { blameFor, RepairFailures } from './repair-failures.ts';
import { RepairSearch } from './repair-search.ts';
import { RepairSlots, type InvolvedStorages } from './repair-slots.ts';
import { bringInSync, type RepairerOptions } from './repairer.ts';
import type { Settler } from './settler.ts';
import { compareUrgency, urgencyOf, type Urgency } from './urgency.ts';

export interface RepairLoopOptions {
  readonly owner: string;
  readonly store: ControlStore;
  readonly storages: StorageDirectory;
  readonly membership: Pick<Membership, 'live' | 'isAbandoned' | 'leaseTerm' | 'hasHeldLeaseSince'>;
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
  /** See {@link RepairSearch}. */
  readonly fullIntervalMs?: number;
  /**
   * Repairs of this proxy at the same time, besides as many more of repositories that refuse writes, and as many
   * steps that copy nothing. Default 4.
   */
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

/** Bounds of their own, so that long copies keep neither what is urgent nor what is short from being done, nor moves repairs. */
const slotKinds = ['short', 'urgent', 'other', 'move'] as const;
type SlotKind = (typeof slotKinds)[number];

/** A record that needs something, which is to be done when there is room for it. */
interface Candidate {
  readonly record: RepositoryRecord;
  readonly urgency: Urgency;
  readonly slot: SlotKind;
}

/** So long after its end a barrier is taken away: its owner may have lowered it, or be about to. */
const barrierGraceMs = 5000;
/** The most urgent ones of each kind are kept until the next look. */
const maxCandidates = 100;
const noUrgency: Urgency = { priority: 'surplus', inSync: 0 };

/**
 * Looks for repositories that need something, and does what each needs next, the most urgent first. What speaks
 * against a repository or a storage is tried again later and later; what does not, in the next look.
 *
 * The proxies share the work by agreement over who is alive; where they disagree for a moment, compare-and-swap
 * keeps them apart.
 */
export class RepairLoop implements Stoppable {
  readonly #options: RepairLoopOptions;
  readonly #stopping = new AbortController();
  readonly #running = new Map<bigint, Promise<void>>();
  readonly #search: RepairSearch;
  readonly #failures: RepairFailures;
  readonly #slots: Readonly<Record<SlotKind, RepairSlots>>;
  /** Of the last look, the most urgent first. */
  #candidates: readonly Candidate[] = [];
  /** Storages that could not be reached at the last look. */
  #away: ReadonlySet<string> = new Set();
  #loop: Promise<void> | undefined;

  constructor(options: RepairLoopOptions) {
    const { parallel = 4 } = options;
    this.#options = options;
    this.#search = new RepairSearch(options);
    this.#failures = new RepairFailures(options);
    this.#slots = {
      short: new RepairSlots(parallel),
      urgent: new RepairSlots(parallel),
      other: new RepairSlots(parallel),
      move: new RepairSlots(parallel),
    };
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
    this.#noteReturns();
    const records = await this.#search.look((...group) => this.#isWorthwhile(...group));
    const found = records
      .flatMap((record) => this.#candidateOf(record) ?? [])
      .toSorted((a, b) => compareUrgency(a.urgency, b.urgency));
    this.#candidates = slotKinds.flatMap((kind) =>
      found.filter(({ slot }) => slot === kind).slice(0, maxCandidates),
    );
    this.#startAll();
  }

  #noteReturns(): void {
    const away = new Set<string>();
    for (const { name, storages } of this.#options.storages.all) {
      for (const { name: storage, health } of storages) {
        const key = `${name}/${storage}`;
        if (health.kind !== 'healthy') away.add(key);
        else if (this.#away.has(key)) this.#failures.storageReturned(name, storage);
      }
    }
    this.#away = away;
  }

  #isWorthwhile(virtualStorage: VirtualStorage, placement: Placement): boolean {
    const { name, policy } = virtualStorage;
    const nodes = virtualStorage.nodes();
    const example = exampleOf(name, placement);
    const slot = slotFor(urgencyOf(placement, nodes, policy));
    const room = this.#roomFor(example, this.#slots[slot], slot === 'urgent');
    const { kind } = planRepair(example, nodes, policy, () => false, room);
    return kind !== 'nothing' && kind !== 'blocked';
  }

  /** Undefined if nothing can be done now, even if there were room. */
  #candidateOf(record: RepositoryRecord): Candidate | undefined {
    const { storages } = this.#options;
    if (this.#running.has(record.id)) return undefined;
    const virtualStorage = storages.get(record.virtualStorage);
    const { policy } = virtualStorage ?? {};
    const nodes = virtualStorage?.nodes();
    const urgency = (nodes && policy && urgencyOf(placementOf(record), nodes, policy)) ?? noUrgency;
    const copying = slotFor(urgency);
    const step = this.#nextStep(record, this.#roomFor(record, undefined, copying === 'urgent'));
    if (step.kind === 'nothing' || step.kind === 'blocked') return undefined;
    const slot = slotOf(step, copying);
    return { record, urgency: slot === 'move' ? noUrgency : urgency, slot };
  }

  #roomFor(
    record: RepositoryRecord,
    slots: RepairSlots | undefined,
    isUrgent: boolean,
  ): RepairRoom {
    const name = (storage: string) => `${record.virtualStorage}/${storage}`;
    const hasFailedOn = (target: string) => this.#failures.holdsBack(record, target, isUrgent);
    return {
      hasFailedOn,
      hasRoomTo: (target) => slots?.hasRoomTo(name(target)) !== false && !hasFailedOn(target),
      hasRoomFrom: (source) => slots?.hasRoomFrom(name(source)) !== false,
    };
  }

  /**
   * Starts what there is room for. What is left waits for something to end, or for the next look. Moves wait for as long
   * as a repair does.
   */
  #startAll(): void {
    if (this.#stopping.signal.aborted) return;
    const isMove = ({ slot }: Candidate) => slot === 'move';
    const moves = this.#candidates.filter(isMove);
    const waiting = this.#candidates.filter((each) => !isMove(each) && !this.#start(each));
    const giveWay = waiting.some(({ slot }) => slot !== 'short');
    this.#candidates = [...waiting, ...moves.filter((each) => giveWay || !this.#start(each))];
  }

  /** @returns whether that was all that can be done with it now */
  #start({ record: found, slot }: Candidate): boolean {
    const slots = this.#slots[slot];
    if (slots.isFull || this.#running.has(found.id)) return false;
    const record = this.#options.repair.view.latest(found);
    const step = this.#nextStep(record, this.#roomFor(record, slots, slot === 'urgent'));
    if (step.kind === 'blocked') return false;
    if (step.kind === 'nothing') return true;
    if (slotOf(step, slot === 'urgent' ? slot : 'other') !== slot) return true;
    const giveBack = slots.take(involvedIn(step, (name) => `${record.virtualStorage}/${name}`));
    const running = this.#run(record, step).finally(() => {
      giveBack();
      this.#running.delete(record.id);
      this.#startAll();
    });
    this.#running.set(record.id, running);
    return true;
  }

  #nextStep(record: RepositoryRecord, room: RepairRoom): RepairStep | GiveUpStep {
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
    const { policy } = virtualStorage;
    const step = planRepair(
      record,
      virtualStorage.nodes(),
      policy,
      (intent) => membership.isAbandoned(intent),
      room,
    );
    const isHeldBack = !copies(step) && this.#failures.holdsBack(record, undefined, true);
    return isHeldBack ? { kind: 'blocked', reason: 'it has failed and is tried again' } : step;
  }

  async #run(record: RepositoryRecord, step: RepairStep | GiveUpStep): Promise<void> {
    const { membership, logger } = this.#options;
    const { leaseTerm } = membership;
    const involved = involvedIn(step);
    try {
      await this.#carryOut(record, step);
      this.#failures.clear(record, involved.target);
    } catch (error) {
      const { id, virtualStorage, relativePath } = record;
      const nodes = this.#options.storages.get(virtualStorage)?.nodes() ?? new Map();
      const blame = blameFor(error, {
        hasHeldLease: membership.hasHeldLeaseSince(leaseTerm),
        areStoragesHealthy: Object.values(involved).every((storage) => isHealthy(nodes, storage)),
      });
      this.#failures.add(record, involved, error, blame);
      const fields = { id, relativePath, step, blame, err: errorMessage(error) };
      logger.warn(fields, 'repair will be tried again');
    }
  }

  async #carryOut(record: RepositoryRecord, step: RepairStep | GiveUpStep): Promise<void> {
    const { settler, repair } = this.#options;
    const { view } = repair;
    switch (step.kind) {
      case 'giveUp':
        await view.change(record, (current) => abandonIntent(current, step.transaction));
        return;
      case 'giveUpRepair':
        await view.change(record, (current) => releaseRepair(current, step.claim));
        return;
      case 'lowerBarrier':
        await view.change(record, (current) => lowerBarrier(current, step.barrier));
        return;
      case 'movePrimary':
        await view.change(record, (current) => movePrimary(current, step.to));
        return;
      case 'endMove':
        return this.#endMove(record, step.storage);
      case 'retireReplica':
        return this.#retire(record, step.storage);
      case 'removeReplica':
        return removeLeaving(record, step.storage, repair);
      case 'bringInSync':
        return this.#bringInSync(record, step.storage, step.source);
      case 'settleAbandoned':
      case 'takeBackCreation':
        return settler.settle(record);
      case 'nothing':
      case 'blocked':
        return;
      default:
        assertNever(step);
    }
  }

  async #retire(record: RepositoryRecord, storage: string): Promise<void> {
    const { storages, repair, logger } = this.#options;
    const { replicationFactor = 1 } = storages.get(record.virtualStorage)?.policy ?? {};
    const outcome = await repair.view.change(record, (current) =>
      retireReplica(current, storage, replicationFactor),
    );
    if (outcome.kind !== 'changed') return;
    const { id, relativePath } = record;
    logger.info({ id, relativePath, storage }, 'a replica leaves a storage that is decommissioned');
  }

  async #endMove(record: RepositoryRecord, storage: string): Promise<void> {
    const { storages, repair, logger } = this.#options;
    const { replicationFactor = 1 } = storages.get(record.virtualStorage)?.policy ?? {};
    const outcome = await repair.view.change(record, (current) =>
      endMove(current, storage, replicationFactor),
    );
    if (outcome.kind !== 'changed') return;
    const { id, relativePath } = record;
    logger.info({ id, relativePath, storage }, 'a replica has moved');
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
      if (outcome.kind === 'inSync') {
        this.#failures.repaired(record, target);
        return;
      }
      const { id, relativePath } = record;
      logger.debug({ id, relativePath, reason: outcome.reason }, 'a repair waits for another');
    } finally {
      ended(result, (clock.monotonicMs() - startedMs) / 1000);
    }
  }
}

function slotFor(urgency: Urgency | undefined): 'urgent' | 'other' {
  return urgency?.priority === 'refusesWrites' ? 'urgent' : 'other';
}

/** @param copying where it belongs if it repairs something */
function slotOf(step: RepairStep | GiveUpStep, copying: 'urgent' | 'other'): SlotKind {
  if (step.kind === 'bringInSync' && step.isMove) return 'move';
  return copies(step) ? copying : 'short';
}

function copies(step: RepairStep | GiveUpStep): boolean {
  return step.kind === 'bringInSync' || step.kind === 'removeReplica';
}

function involvedIn(
  step: RepairStep | GiveUpStep,
  nameOf = (storage: string) => storage,
): InvolvedStorages {
  if (step.kind === 'removeReplica') return { target: nameOf(step.storage) };
  if (step.kind !== 'bringInSync') return {};
  return { target: nameOf(step.storage), source: nameOf(step.source) };
}
