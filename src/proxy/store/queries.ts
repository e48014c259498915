import type { QueryConfig } from 'pg';
import type { RepositoryRecord } from '../routing/repository-record.ts';
import type { ListQuery, PlacementQuery, RepositoryKey } from './control-store.ts';
import { countInSync, encodePlacement } from './placement.ts';
import type { StorageIdentity, StorageKey } from './storage-identity.ts';
import { rowColumns, writtenColumns, writtenValues } from './records.ts';

/**
 * Every statement that the store makes. Those with a name are prepared once on each connection.
 * They name their columns, so that a migration that adds some does not disturb older proxies.
 */

const columns = rowColumns.join(', ');

export function getByKey({ virtualStorage, relativePath }: RepositoryKey): QueryConfig {
  return {
    name: 'get-by-key',
    text: `SELECT ${columns} FROM repositories WHERE virtual_storage = $1 AND relative_path = $2`,
    values: [virtualStorage, relativePath],
  };
}

export function getById(id: bigint): QueryConfig {
  return {
    name: 'get-by-id',
    text: `SELECT ${columns} FROM repositories WHERE id = $1`,
    values: [id],
  };
}

export function getMany(ids: readonly bigint[]): QueryConfig {
  return {
    name: 'get-many',
    text: `SELECT ${columns} FROM repositories WHERE id = ANY($1::bigint[])`,
    values: [ids.map(String)],
  };
}

export function nextId(): QueryConfig {
  return { text: `SELECT nextval('repository_ids') AS id` };
}

/** Adds no row if id or key is taken. */
export function insert(record: RepositoryRecord): QueryConfig {
  return {
    name: 'insert',
    text: `INSERT INTO repositories (id, version, ${writtenColumns.join(', ')})
           VALUES ($1, $2, ${parameters(3, writtenColumns.length)})
           ON CONFLICT DO NOTHING RETURNING id`,
    values: [record.id, record.version, ...writtenValues(record)],
  };
}

/**
 * Compare-and-swap as one statement: the row lock that it takes makes others wait, and they then
 * compare with what is there by then. Changes no row if the version is another.
 */
export function swap(next: RepositoryRecord): QueryConfig {
  return {
    name: 'swap',
    text: `UPDATE repositories
           SET (version, ${writtenColumns.join(', ')})
             = (version + 1, ${parameters(3, writtenColumns.length)})
           WHERE id = $1 AND version = $2 RETURNING id`,
    values: [next.id, next.version, ...writtenValues(next)],
  };
}

/** Removes no row if the version is another. */
export function remove({ id, version }: RepositoryRecord): QueryConfig {
  return {
    name: 'remove',
    text: 'DELETE FROM repositories WHERE id = $1 AND version = $2 RETURNING id',
    values: [id, version],
  };
}

export function getIdentity({ virtualStorage, storage }: StorageKey): QueryConfig {
  return {
    text: `SELECT filesystem_id, replacement, version
           FROM storage_identities WHERE virtual_storage = $1 AND storage = $2`,
    values: [virtualStorage, storage],
  };
}

/** Adds no row if there is one. */
export function insertIdentity(identity: StorageIdentity): QueryConfig {
  return {
    text: `INSERT INTO storage_identities
             (virtual_storage, storage, version, filesystem_id, replacement)
           VALUES ($1, $2, $3 + 1, $4, $5) ON CONFLICT DO NOTHING RETURNING storage`,
    values: identityValues(identity),
  };
}

/** Changes no row if the version is another. */
export function swapIdentity(next: StorageIdentity): QueryConfig {
  return {
    text: `UPDATE storage_identities
           SET version = version + 1, filesystem_id = $4, replacement = $5
           WHERE virtual_storage = $1 AND storage = $2 AND version = $3 RETURNING storage`,
    values: identityValues(next),
  };
}

function identityValues(identity: StorageIdentity): unknown[] {
  const { virtualStorage, storage, version, filesystemId, replacement = null } = identity;
  return [virtualStorage, storage, version, filesystemId, replacement];
}

/** Whether the tables are there, and whether the server writes to disk before it answers. */
export function checkReadiness(): QueryConfig {
  return {
    text: `SELECT to_regclass('verifications') IS NOT NULL AS migrated,
                  current_setting('synchronous_commit') AS synchronous_commit`,
  };
}

/** A page of records. */
export function list(query: ListQuery): QueryConfig {
  const { virtualStorage, afterId, limit, onlyUnsettled, behindAs } = query;
  const values: unknown[] = [limit];
  const conditions = [];
  if (behindAs !== undefined) {
    conditions.push(`in_sync = $${values.push(countInSync(behindAs))}`);
    conditions.push(`placement = $${values.push(encodePlacement(behindAs))}`);
  }
  if (virtualStorage !== undefined) {
    conditions.push(`virtual_storage = $${values.push(virtualStorage)}`);
  }
  if (afterId !== undefined) conditions.push(`id > $${values.push(afterId)}`);
  const where = conditions.length > 0 ? `WHERE ${conditions.join(' AND ')}` : '';
  const page = `${where} ORDER BY id LIMIT $1`;
  if (behindAs !== undefined) {
    const ids = `SELECT id FROM repositories_behind ${page}`;
    const text = `SELECT ${columns} FROM repositories WHERE id = ANY (ARRAY(${ids})) ORDER BY id`;
    return { text, values };
  }
  const source = onlyUnsettled
    ? 'unsettled_repositories JOIN repositories USING (id)'
    : 'repositories';
  return { text: `SELECT ${columns} FROM ${source} ${page}`, values };
}

/** Jumps from each placement to the next in an index: PostgreSQL's DISTINCT would read every entry. */
export function placements({ virtualStorage, limit, onlyBehind }: PlacementQuery): QueryConfig {
  const [table, key] = onlyBehind
    ? ['repositories_behind', 'in_sync, placement']
    : ['repositories', 'placement'];
  const next = (condition: string) =>
    `SELECT ${key} FROM ${table} WHERE virtual_storage = $1 ${condition} ORDER BY ${key} LIMIT 1`;
  const found = key.replaceAll(/\w+/g, 'found.$&');
  return {
    text: `WITH RECURSIVE found AS (
             (${next('')})
             UNION ALL
             SELECT next.* FROM found CROSS JOIN LATERAL (${next(`AND (${key}) > (${found})`)}) AS next
           )
           SELECT placement FROM found LIMIT $2`,
    values: [virtualStorage, limit],
  };
}

/**
 * How many repositories have which placement. Reads the index `repositories_by_placement` alone:
 * 1,000,000 entries are 7 MB and take 0.2 s. Counters would be read at once, but every change of a
 * placement would wait in line for them, just when a storage has died and many change.
 */
export function countPlacements(virtualStorage: string): QueryConfig {
  return {
    text: `SELECT placement, count(*)::int AS repositories
           FROM repositories WHERE virtual_storage = $1 GROUP BY placement`,
    values: [virtualStorage],
  };
}

/**
 * Which storages hold how many repositories in sync, and the first of these by its path, for a cursor of its own.
 *
 * A placement begins with the primary, which is no matter here. What follows its first `,[` is equal for equal replicas,
 * and is much cheaper to find than what its JSON says. A set may come more than once all the same, such as when some of
 * its repositories have a replica more that is not in sync.
 *
 * Reads the whole table: 1,000,000 rows in 500,000 sets take 2 s until the first row comes and 2 s for the others. Paths
 * are in the rows alone, and to look one up for each set takes four times as long.
 */
export function declareInSyncSets(virtualStorage: string): QueryConfig {
  return {
    text: `DECLARE in_sync_sets NO SCROLL CURSOR FOR
           SELECT min(placement) AS placement, count(*)::int AS repositories,
                  min(relative_path) AS example
           FROM repositories WHERE virtual_storage = $1
           GROUP BY substr(placement, strpos(placement, ',['))`,
    values: [virtualStorage],
  };
}

export function fetchInSyncSets(count: number): QueryConfig {
  return { text: `FETCH ${count} FROM in_sync_sets` };
}

/** When the transaction began, and so a cursor of it is no older. */
export function transactionStart(): QueryConfig {
  return {
    text: `SELECT (extract(epoch FROM now()) * 1000)::float8 AS at_ms,
                  pg_is_in_recovery() AS standby`,
  };
}

/** Also drops what proxies that are long gone have left behind. */
export function renewLease(owner: string, durationMs: number): QueryConfig {
  return {
    name: 'renew-lease',
    text: `WITH swept AS (
             DELETE FROM leases WHERE owner <> $1 AND expires_at < now() - interval '1 hour'
           )
           INSERT INTO leases (owner, expires_at)
           VALUES ($1, now() + $2 * interval '1 millisecond')
           ON CONFLICT (owner) DO UPDATE SET expires_at = excluded.expires_at`,
    values: [owner, durationMs],
  };
}

export function releaseLease(owner: string): QueryConfig {
  return { text: `DELETE FROM leases WHERE owner = $1`, values: [owner] };
}

export function liveOwners(): QueryConfig {
  return {
    text: `SELECT owner, (extract(epoch FROM expires_at - now()) * 1000)::float8 AS remaining_ms
           FROM leases WHERE expires_at > now()`,
  };
}

function parameters(first: number, count: number): string {
  return Array.from({ length: count }, (_, index) => `$${first + index}`).join(', ');
}
