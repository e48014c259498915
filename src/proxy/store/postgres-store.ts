import type { ClientConfig, QueryConfig } from 'pg';
import { withTimeout, type Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Random } from '../../base/random.ts';
import type { Stoppable } from '../../base/scope.ts';
import type { RepositoryRecord } from '../routing/repository-record.ts';
import {
  clientConfig,
  defaultLimits,
  type ConnectionSource,
  type PostgresLimits,
} from './connection.ts';
import type {
  ControlStore,
  CreateOutcome,
  ListQuery,
  NewRepositoryRecord,
  Placement,
  PlacementQuery,
  RepositoryKey,
  StoreSummary,
  SummaryQuery,
  SwapOutcome,
  WatchEvents,
} from './control-store.ts';
import type { InSyncSetPage, InSyncSetQuery } from './in-sync-sets.ts';
import { checkedListLimit } from './list-limit.ts';
import { openListenSession, type ListenSession } from './listen-session.ts';
import { Listener } from './listener.ts';
import { acknowledge, channels, parseNotification } from './notifications.ts';
import { decodePlacement, summarizePlacements } from './placement.ts';
import { BoundedPool } from './pool.ts';
import { PostgresDrains } from './postgres-drains.ts';
import { PostgresInSyncSets } from './postgres-in-sync-sets.ts';
import { PostgresSettings } from './postgres-settings.ts';
import { PostgresVerifications } from './postgres-verifications.ts';
import * as queries from './queries.ts';
import { recordFromRow, type RepositoryRow } from './records.ts';
import type { StorageIdentity, StorageKey } from './storage-identity.ts';
import { asStoreError } from './store-error.ts';

export interface PostgresStoreOptions {
  readonly connection: ConnectionSource;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly limits?: PostgresLimits;
  /** Connections at most, besides the one that listens and one for a list of sets. Default 10. */
  readonly poolSize?: number;
}

/**
 * The control store in PostgreSQL 13 or later. Its tables must be there: see `migratePostgres`.
 *
 * A change whose call was rejected may even be made later, as long as nothing else has changed the
 * record: a server that was frozen goes on with what it had already received.
 *
 * @throws StoreUnavailableError if the database cannot be asked now
 * @throws Error if its tables are missing
 */
export async function connectPostgresStore(options: PostgresStoreOptions): Promise<ControlStore> {
  const store = new PostgresStore(options);
  try {
    await store.check();
    return store;
  } catch (error) {
    await store.stop();
    throw error;
  }
}

class PostgresStore implements ControlStore {
  readonly verifications = new PostgresVerifications((query) => this.#ask(query));
  readonly drains = new PostgresDrains((query) => this.#ask(query));
  readonly weights = new PostgresSettings<number>((query) => this.#ask(query), {
    table: 'storage_weights',
    column: 'weight',
  });
  readonly zones = new PostgresSettings<string>((query) => this.#ask(query), {
    table: 'storage_zones',
    column: 'zone',
  });
  readonly #options: PostgresStoreOptions;
  readonly #limits: Required<PostgresLimits>;
  readonly #config: () => ClientConfig;
  readonly #pool: BoundedPool;
  readonly #listener: Listener;
  readonly #inSyncSets: PostgresInSyncSets;
  #stopping: Promise<void> | undefined;

  constructor(options: PostgresStoreOptions) {
    const { clock, random, logger, poolSize = 10 } = options;
    this.#options = options;
    this.#limits = { ...defaultLimits, ...options.limits };
    this.#config = () => clientConfig(options.connection, this.#limits);
    this.#pool = new BoundedPool({
      config: this.#config,
      connectMs: this.#limits.connectMs,
      size: poolSize,
      clock,
      logger,
    });
    const { listMs } = this.#limits;
    this.#inSyncSets = new PostgresInSyncSets({
      config: () => clientConfig(options.connection, { ...this.#limits, callMs: listMs }),
      clock,
      listMs,
    });
    this.#listener = new Listener({
      openSession: (signal) => this.#openSession(signal),
      clock,
      random,
      logger,
      callMs: this.#limits.callMs,
      onLost: () => this.#pool.cutIdle(),
    });
  }

  /** @throws Error if the database is not ready for use */
  async check(): Promise<void> {
    const [row] = await this.#ask<ReadinessRow>(queries.checkReadiness());
    if (row?.migrated !== true) {
      throw new Error('the database lacks the tables of the control store: run the migrations');
    }
    if (row.synchronous_commit === 'off') {
      this.#options.logger.warn(
        { setting: 'synchronous_commit' },
        'the database may lose what it has acknowledged when it crashes',
      );
    }
  }

  async get(key: RepositoryKey): Promise<RepositoryRecord | undefined> {
    return firstRecord(await this.#ask(queries.getByKey(key)));
  }

  async getById(id: bigint): Promise<RepositoryRecord | undefined> {
    return firstRecord(await this.#ask(queries.getById(id)));
  }

  async getMany(ids: readonly bigint[]): Promise<readonly RepositoryRecord[]> {
    return (await this.#ask<RepositoryRow>(queries.getMany(ids))).map(recordFromRow);
  }

  async nextRepositoryId(): Promise<bigint> {
    const rows = await this.#ask<{ id: string }>(queries.nextId());
    return BigInt(rows[0]?.id ?? '');
  }

  async create(newRecord: NewRepositoryRecord): Promise<CreateOutcome> {
    const record = { ...newRecord, version: 1n };
    const created = await this.#ask(queries.insert(record));
    return created.length > 0 ? { kind: 'created', record } : { kind: 'exists' };
  }

  compareAndSwap(next: RepositoryRecord): Promise<SwapOutcome> {
    return this.#change(queries.swap(next), next);
  }

  remove(record: RepositoryRecord): Promise<SwapOutcome> {
    return this.#change(queries.remove(record), record);
  }

  async list(query: ListQuery): Promise<readonly RepositoryRecord[]> {
    checkedListLimit(query.limit);
    const rows = await this.#ask<RepositoryRow>(queries.list(query));
    return rows.map(recordFromRow);
  }

  async placements(query: PlacementQuery): Promise<readonly Placement[]> {
    checkedListLimit(query.limit);
    const rows = await this.#ask<Pick<PlacementRow, 'placement'>>(queries.placements(query));
    return rows.map(({ placement }) => decodePlacement(placement));
  }

  async summarize(query: SummaryQuery): Promise<StoreSummary> {
    const rows = await this.#ask<PlacementRow>(queries.countPlacements(query.virtualStorage));
    const counts = rows.map(({ placement, repositories }) => ({
      placement: decodePlacement(placement),
      repositories,
    }));
    return summarizePlacements(counts, query);
  }

  inSyncSets(query: InSyncSetQuery): AsyncIterable<InSyncSetPage> {
    return this.#inSyncSets.list(query);
  }

  async getIdentity(key: StorageKey): Promise<StorageIdentity | undefined> {
    const [row] = await this.#ask<IdentityRow>(queries.getIdentity(key));
    if (row === undefined) return undefined;
    return {
      ...key,
      filesystemId: row.filesystem_id,
      ...(row.replacement !== null && { replacement: row.replacement }),
      version: BigInt(row.version),
    };
  }

  async putIdentity(next: StorageIdentity): Promise<boolean> {
    const statement = next.version === 0n ? queries.insertIdentity : queries.swapIdentity;
    return (await this.#ask(statement(next))).length > 0;
  }

  watch(events: WatchEvents): Promise<Stoppable> {
    return this.#call(() => this.#listener.watch(events));
  }

  // On the listening connection: a proxy that has lost it can hear nothing, so it must neither hold
  // others up nor claim to have taken note of something.

  renewLease({ owner, durationMs }: LeaseRequest): Promise<void> {
    return this.#call(() => this.#listener.query(queries.renewLease(owner, durationMs)));
  }

  acknowledge(owner: string, id: bigint, version: bigint): Promise<void> {
    return this.#call(() => this.#listener.query(acknowledge(owner, id, version)));
  }

  async releaseLease(owner: string): Promise<void> {
    await this.#ask(queries.releaseLease(owner));
  }

  async liveOwners(): Promise<ReadonlyMap<string, { readonly remainingMs: number }>> {
    const rows = await this.#ask<LeaseRow>(queries.liveOwners());
    return new Map(rows.map((row) => [row.owner, { remainingMs: row.remaining_ms }]));
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    await Promise.all([this.#listener.stop(), this.#pool.stop(), this.#inSyncSets.stop()]);
  }

  #change(statement: QueryConfig, record: RepositoryRecord): Promise<SwapOutcome> {
    return this.#call(async () => {
      const changed = await this.#pool.query(statement);
      if (changed.length > 0) {
        return { kind: 'swapped', record: { ...record, version: record.version + 1n } };
      }
      // A statement of its own: the one before may have begun when an older version was there.
      const rows = await this.#pool.query<RepositoryRow>(queries.getById(record.id));
      return { kind: 'stale', current: firstRecord(rows) };
    });
  }

  #ask<Row extends object>(query: QueryConfig): Promise<readonly Row[]> {
    return this.#call(() => this.#pool.query<Row>(query));
  }

  /** Puts the limit on a call and gives its errors their form. */
  async #call<T>(work: () => Promise<T>): Promise<T> {
    try {
      if (this.#stopping !== undefined) throw new Error('this proxy has closed it');
      const { clock } = this.#options;
      return await withTimeout(clock, this.#limits.callMs, 'the call', work());
    } catch (error) {
      throw asStoreError(error);
    }
  }

  #openSession(signal: AbortSignal): Promise<ListenSession> {
    return openListenSession({
      config: this.#config(),
      clock: this.#options.clock,
      callMs: this.#limits.callMs,
      probeIntervalMs: this.#limits.probeIntervalMs,
      channels,
      signal,
      onNotification: (channel, payload, isOwn) => {
        const announcement = parseNotification(channel, payload);
        if (isOwn && announcement?.kind === 'acknowledged') return;
        this.#listener.hear(announcement);
      },
    });
  }
}

type LeaseRequest = Parameters<ControlStore['renewLease']>[0];

interface ReadinessRow {
  readonly migrated: boolean;
  readonly synchronous_commit: string;
}

interface IdentityRow {
  readonly filesystem_id: string;
  readonly replacement: string | null;
  readonly version: string;
}

interface PlacementRow {
  readonly placement: string;
  readonly repositories: number;
}

interface LeaseRow {
  readonly owner: string;
  readonly remaining_ms: number;
}

function firstRecord(rows: readonly RepositoryRow[]): RepositoryRecord | undefined {
  const [row] = rows;
  return row === undefined ? undefined : recordFromRow(row);
}
