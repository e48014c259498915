import { Gauge, Registry } from 'prom-client';
import type { Clock } from '../../base/clock.ts';
import { repairPriorities, urgencyOf, type RepairPriority } from '../replication/urgency.ts';
import type { ControlStore, StoreSummary } from '../store/control-store.ts';
import type { DueCounts, VerificationQueue } from '../store/verification-queue.ts';
import type { StorageDirectory, VirtualStorage } from '../upstream/storage-directory.ts';

export interface DatabaseMetricsOptions {
  readonly store: Pick<ControlStore, 'summarize'> & {
    readonly verifications: Pick<VerificationQueue, 'countDue' | 'countFindings'>;
  };
  readonly storages: Pick<StorageDirectory, 'all'>;
  readonly clock: Clock;
  /** From one verification to the next, as verification has it. */
  readonly verificationIntervalMs: number;
  /** For so long what the database said is said again, however often it is asked for. Default 15 s. */
  readonly maxAgeMs?: number;
}

/**
 * Metrics that count all repositories in the database. Every proxy tells the same, as far as they
 * agree on which storages are healthy. Asking for them fails while the database is away.
 */
export class DatabaseMetrics {
  readonly registry = new Registry();
  readonly #options: DatabaseMetricsOptions;
  #summaries: Promise<readonly (readonly [string, Sums])[]> | undefined;
  #askedAtMs = 0;

  constructor(options: DatabaseMetricsOptions) {
    this.#options = options;
    const summaries = () => this.#read();
    const metrics = [
      new Gauge({
        name: 'gitaly_praefect_unavailable_repositories',
        help: 'Repositories without an in-sync replica on a healthy storage.',
        labelNames: ['virtual_storage'],
        registers: [],
        async collect() {
          for (const [virtual_storage, { unavailable }] of await summaries()) {
            this.set({ virtual_storage }, unavailable);
          }
        },
      }),
      new Gauge({
        name: 'gitaly_proxy_repositories',
        help: 'Repositories by how many in-sync replicas they have on healthy storages.',
        labelNames: ['virtual_storage', 'state'],
        registers: [],
        async collect() {
          for (const [virtual_storage, summary] of await summaries()) {
            const { fullyReplicated, degraded, atRisk, unavailable } = summary;
            this.set({ virtual_storage, state: 'fully_replicated' }, fullyReplicated);
            this.set({ virtual_storage, state: 'degraded' }, degraded);
            this.set({ virtual_storage, state: 'at_risk' }, atRisk);
            this.set({ virtual_storage, state: 'unavailable' }, unavailable);
          }
        },
      }),
      new Gauge({
        name: 'gitaly_proxy_repairs_due',
        help: 'Repositories that need repair, by what it is for.',
        labelNames: ['virtual_storage', 'priority'],
        registers: [],
        async collect() {
          for (const [virtual_storage, { repairsDue }] of await summaries()) {
            for (const [priority, count] of repairsDue) {
              this.set({ virtual_storage, priority: priorityLabels[priority] }, count);
            }
          }
        },
      }),
      new Gauge({
        name: 'gitaly_proxy_unverified_repositories',
        help: 'Repositories whose replicas are to be compared now.',
        labelNames: ['virtual_storage', 'state'],
        registers: [],
        async collect() {
          for (const [virtual_storage, { unverified, expired }] of await summaries()) {
            this.set({ virtual_storage, state: 'unverified' }, unverified);
            this.set({ virtual_storage, state: 'expired' }, expired);
          }
        },
      }),
      new Gauge({
        name: 'gitaly_proxy_undecided_repositories',
        help: 'Repositories whose replicas differ, and of which only a person can tell which is right.',
        labelNames: ['virtual_storage'],
        registers: [],
        async collect() {
          for (const [virtual_storage, { findings }] of await summaries()) {
            this.set({ virtual_storage }, findings);
          }
        },
      }),
      new Gauge({
        name: 'gitaly_proxy_replicas',
        help: 'Replicas on a storage: all, those in sync, and primaries.',
        labelNames: ['virtual_storage', 'storage', 'state'],
        registers: [],
        async collect() {
          for (const [virtual_storage, summary] of await summaries()) {
            for (const [storage, { replicas, inSync, primaries }] of summary.storages) {
              this.set({ virtual_storage, storage, state: 'all' }, replicas);
              this.set({ virtual_storage, storage, state: 'in_sync' }, inSync);
              this.set({ virtual_storage, storage, state: 'primary' }, primaries);
            }
          }
        },
      }),
    ];
    for (const metric of metrics) this.registry.registerMetric(metric);
  }

  #read(): Promise<readonly (readonly [string, Sums])[]> {
    const { storages, clock, maxAgeMs = 15_000 } = this.#options;
    if (this.#summaries === undefined || clock.monotonicMs() - this.#askedAtMs >= maxAgeMs) {
      this.#askedAtMs = clock.monotonicMs();
      const asked = Promise.all(storages.all.map((virtual) => this.#summarize(virtual)));
      this.#summaries = asked;
      // A failure is not said again.
      asked.catch(() => {
        if (this.#summaries === asked) this.#summaries = undefined;
      });
    }
    return this.#summaries;
  }

  async #summarize(virtualStorage: VirtualStorage): Promise<readonly [string, Sums]> {
    const nodes = [...virtualStorage.nodes().values()];
    const sick = nodes.filter(({ healthy }) => !healthy).map(({ storage }) => storage);
    const { name, policy } = virtualStorage;
    const query = { virtualStorage: name, ...policy, unhealthy: new Set(sick) };
    const { store, verificationIntervalMs: intervalMs } = this.#options;
    const [summary, due, findings] = await Promise.all([
      store.summarize(query),
      store.verifications.countDue({ virtualStorage: name, intervalMs }),
      store.verifications.countFindings(name),
    ]);
    return [name, { ...summary, ...due, findings, repairsDue: repairsIn(summary, virtualStorage) }];
  }
}

type RepairsDue = ReadonlyMap<RepairPriority, number>;

type Sums = StoreSummary &
  DueCounts & { readonly findings: number; readonly repairsDue: RepairsDue };

const priorityLabels: Readonly<Record<RepairPriority, string>> = {
  refusesWrites: 'refuses_writes',
  behind: 'behind',
  missing: 'missing',
  surplus: 'surplus',
};

function repairsIn({ placements }: StoreSummary, virtualStorage: VirtualStorage): RepairsDue {
  const nodes = virtualStorage.nodes();
  const due = new Map<RepairPriority, number>(repairPriorities.map((priority) => [priority, 0]));
  for (const { placement, repositories } of placements) {
    const priority = urgencyOf(placement, nodes, virtualStorage.policy)?.priority;
    if (priority !== undefined) due.set(priority, (due.get(priority) ?? 0) + repositories);
  }
  return due;
}
