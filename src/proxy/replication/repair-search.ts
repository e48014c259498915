import type { Clock } from '../../base/clock.ts';
import { isDecommissioned } from '../routing/node-view.ts';
import type { Replica, RepositoryRecord } from '../routing/repository-record.ts';
import type { ControlStore, Placement } from '../store/control-store.ts';
import type { StorageDirectory, VirtualStorage } from '../upstream/storage-directory.ts';
import { compareUrgency, urgencyOf, type Urgency } from './urgency.ts';

export interface RepairSearchOptions {
  readonly store: Pick<ControlStore, 'list' | 'placements'>;
  readonly storages: Pick<StorageDirectory, 'all'>;
  readonly clock: Clock;
  /**
   * Between looks for repositories that have too few replicas, or misplaced ones, though all are in sync, the first of
   * which is at the start: the configuration may ask for other ones than before. Default 30 s.
   */
  readonly fullIntervalMs?: number;
}

/** Records of one page. */
const pageSize = 500;
/** Of each placement, and in all, that are read because they are urgent. */
const [groupPageSize, maxUrgent] = [100, 400];
const maxPlacements = 1000;
/** What waits for room is looked for again after that, rather than when all is looked through the next time. */
const waitingIntervalMs = 2000;

interface Walk {
  /** Where the next page begins. */
  readonly afterId: bigint;
  /** Whether some record had too few replicas, or misplaced ones. */
  readonly hasFound: boolean;
}

/** Whether something could be done now about a repository that is placed like that. */
export type IsWorthwhile = (virtualStorage: VirtualStorage, placement: Placement) => boolean;

interface Group extends Urgency {
  readonly virtualStorage: string;
  readonly placement: Placement;
}

/**
 * Finds the records that need repair. What one look costs does not depend on how many there are:
 *
 * 1. A page of those that are not settled. If that is all, nothing else is to be looked for.
 * 2. If there are more, it goes on with the next page in the next look, and comes round to each. What is most urgent
 *    is read besides, by its placement, where something can be done about it.
 * 3. Now and then it looks whether any placement has too few replicas, or some where none is to be, and only then
 *    goes through all records.
 */
export class RepairSearch {
  readonly #options: RepairSearchOptions;
  /** Where the next page of unsettled records begins. */
  #unsettledAfter = 0n;
  /** Where the next page of a group begins. */
  #groupsAfter = new Map<string, bigint>();
  /** Virtual storages of which all records are gone through, since some have too few replicas. */
  readonly #walks = new Map<string, Walk>();
  #fullLookAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: RepairSearchOptions) {
    this.#options = options;
  }

  /**
   * @returns each record once, in no order; 1,500 at most
   */
  async look(isWorthwhile: IsWorthwhile): Promise<readonly RepositoryRecord[]> {
    const isFirstPage = this.#unsettledAfter === 0n;
    const unsettled = await this.#pageOfUnsettled();
    const hasMore = !isFirstPage || this.#unsettledAfter !== 0n;
    const urgent = hasMore ? await this.#mostUrgent(isWorthwhile) : [];
    const all = [...urgent, ...unsettled, ...(await this.#pageOfAll(isWorthwhile))];
    return [...new Map(all.map((record) => [record.id, record])).values()];
  }

  async #pageOfUnsettled(): Promise<readonly RepositoryRecord[]> {
    const afterId = this.#unsettledAfter;
    const query = { onlyUnsettled: true, afterId, limit: pageSize };
    const page = await this.#options.store.list(query);
    this.#unsettledAfter = nextAfter(page, pageSize);
    return page;
  }

  async #mostUrgent(isWorthwhile: IsWorthwhile): Promise<readonly RepositoryRecord[]> {
    const groups: Group[] = [];
    for (const virtualStorage of this.#options.storages.all) {
      groups.push(...(await this.#groupsOf(virtualStorage, isWorthwhile)));
    }
    const found: RepositoryRecord[] = [];
    const cursors = new Map<string, bigint>();
    for (const { virtualStorage, placement } of groups.toSorted(compareUrgency)) {
      const key = JSON.stringify([virtualStorage, placement]);
      const afterId = this.#groupsAfter.get(key) ?? 0n;
      const query = { virtualStorage, behindAs: placement, afterId, limit: groupPageSize };
      const page = await this.#options.store.list(query);
      cursors.set(key, nextAfter(page, groupPageSize));
      found.push(...page);
      if (found.length >= maxUrgent) break;
    }
    this.#groupsAfter = cursors;
    return found;
  }

  async #groupsOf(
    virtualStorage: VirtualStorage,
    isWorthwhile: IsWorthwhile,
  ): Promise<readonly Group[]> {
    const { name, policy } = virtualStorage;
    const query = { virtualStorage: name, onlyBehind: true, limit: maxPlacements };
    const placements = await this.#options.store.placements(query);
    return placements.flatMap((placement) => {
      const urgency = urgencyOf(placement, virtualStorage.nodes(), policy);
      if (urgency === undefined || !isWorthwhile(virtualStorage, placement)) return [];
      return [{ ...urgency, virtualStorage: name, placement }];
    });
  }

  async #pageOfAll(isWorthwhile: IsWorthwhile): Promise<readonly RepositoryRecord[]> {
    const { clock, storages, fullIntervalMs = 30_000 } = this.#options;
    // Storages that were not heard of yet get no replica; the next full look is far.
    const isSettling = storages.all.some((virtualStorage) => virtualStorage.isSettling());
    if (!isSettling && clock.monotonicMs() >= this.#fullLookAtMs) {
      let isWaiting = false;
      for (const virtualStorage of storages.all) {
        isWaiting = (await this.#lookForMisplaced(virtualStorage, isWorthwhile)) || isWaiting;
      }
      const pauseMs = isWaiting ? Math.min(waitingIntervalMs, fullIntervalMs) : fullIntervalMs;
      this.#fullLookAtMs = clock.monotonicMs() + pauseMs;
    }
    const found: RepositoryRecord[] = [];
    for (const virtualStorage of storages.all) found.push(...(await this.#walkOn(virtualStorage)));
    return found;
  }

  /** @returns whether there is something to be done that cannot be done now */
  async #lookForMisplaced(
    virtualStorage: VirtualStorage,
    isWorthwhile: IsWorthwhile,
  ): Promise<boolean> {
    const { name } = virtualStorage;
    if (this.#walks.has(name)) return false;
    const query = { virtualStorage: name, limit: maxPlacements };
    const placements = await this.#options.store.placements(query);
    const misplaced = placements.filter((placement) => isMisplaced(placement, virtualStorage));
    const isNeeded =
      placements.length === maxPlacements ||
      misplaced.some((placement) => isWorthwhile(virtualStorage, placement));
    if (isNeeded) this.#walks.set(name, { afterId: 0n, hasFound: false });
    return !isNeeded && misplaced.length > 0;
  }

  async #walkOn(virtualStorage: VirtualStorage): Promise<readonly RepositoryRecord[]> {
    const { name } = virtualStorage;
    const walk = this.#walks.get(name);
    if (walk === undefined) return [];
    const { afterId } = walk;
    const page = await this.#options.store.list({ virtualStorage: name, afterId, limit: pageSize });
    const hasFound = walk.hasFound || page.some((record) => isMisplaced(record, virtualStorage));
    const next = nextAfter(page, pageSize);
    if (next !== 0n) {
      this.#walks.set(name, { afterId: next, hasFound });
      return page;
    }
    this.#walks.delete(name);
    // What there was no time for is not to wait for the next full look.
    if (hasFound) this.#fullLookAtMs = Number.NEGATIVE_INFINITY;
    return page;
  }
}

/** Whether there are too few replicas, or some where none is to be. */
function isMisplaced(
  { replicas }: { readonly replicas: readonly Pick<Replica, 'role' | 'storage'>[] },
  virtualStorage: VirtualStorage,
): boolean {
  const nodes = virtualStorage.nodes();
  const assigned = replicas.filter(({ role }) => role !== 'leaving');
  return (
    assigned.length < virtualStorage.policy.replicationFactor ||
    assigned.some(({ storage }) => isDecommissioned(nodes, storage))
  );
}

/** Where to go on after a page: at the beginning if it was the last. */
function nextAfter(page: readonly RepositoryRecord[], limit: number): bigint {
  return page.length < limit ? 0n : (page.at(-1)?.id ?? 0n);
}
