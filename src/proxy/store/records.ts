import type {
  Barrier,
  Intent,
  Replica,
  ReplicaRole,
  RepositoryRecord,
} from '../routing/repository-record.ts';
import type { RepositoryKey } from './control-store.ts';
import { encodePlacement, isSettled, placementOf } from './placement.ts';

/**
 * A repository as PostgreSQL gives it, in a row as well as in an announcement: 64-bit numbers are
 * strings, JSON is parsed.
 */
export interface RepositoryRow {
  readonly id: string;
  readonly virtual_storage: string;
  readonly relative_path: string;
  readonly replica_path: string;
  readonly version: string;
  readonly epoch: string;
  readonly lsn: string;
  readonly primary_storage: string;
  readonly replicas: readonly StoredReplica[];
  readonly intents: readonly StoredIntent[];
  readonly barrier: Barrier | null;
}

interface StoredReplica extends Omit<Replica, 'lsn'> {
  readonly lsn: string;
}

interface StoredIntent extends Omit<Intent, 'epoch'> {
  readonly epoch: string;
}

/** The columns of {@link RepositoryRow}, for a SELECT. */
export const rowColumns = [
  'id',
  'virtual_storage',
  'relative_path',
  'replica_path',
  'version',
  'epoch',
  'lsn',
  'primary_storage',
  'replicas',
  'intents',
  'barrier',
] as const satisfies readonly (keyof RepositoryRow)[];

/** @throws Error if the row holds what this version of the proxy does not know */
export function recordFromRow(row: RepositoryRow): RepositoryRecord {
  return {
    id: BigInt(row.id),
    ...keyFromRow(row),
    replicaPath: row.replica_path,
    version: BigInt(row.version),
    epoch: BigInt(row.epoch),
    lsn: BigInt(row.lsn),
    primary: row.primary_storage,
    replicas: row.replicas.map((replica) => ({
      storage: replica.storage,
      lsn: BigInt(replica.lsn),
      role: known(roles, replica.role),
      ...(replica.repair !== undefined && {
        repair: {
          id: replica.repair.id,
          owner: replica.repair.owner,
          ...(replica.repair.isVoid === true && { isVoid: true as const }),
        },
      }),
      ...(replica.lastFailure !== undefined && { lastFailure: replica.lastFailure }),
      ...(replica.replaces !== undefined && { replaces: replica.replaces }),
    })),
    intents: row.intents.map((intent) => ({
      transaction: intent.transaction,
      owner: intent.owner,
      kind: known(intentKinds, intent.kind),
      epoch: BigInt(intent.epoch),
      voters: intent.voters,
      ...(intent.hasEnded === true && { hasEnded: true }),
    })),
    ...(row.barrier !== null && {
      barrier: {
        owner: row.barrier.owner,
        expiresAtMs: row.barrier.expiresAtMs,
        ...(row.barrier.forComparison === true && { forComparison: true }),
      },
    }),
  };
}

export function keyFromRow(
  row: Pick<RepositoryRow, 'virtual_storage' | 'relative_path'>,
): RepositoryKey {
  return { virtualStorage: row.virtual_storage, relativePath: row.relative_path };
}

/** The columns that change with a record; {@link writtenValues} has their values. */
export const writtenColumns = [
  'virtual_storage',
  'relative_path',
  'replica_path',
  'epoch',
  'lsn',
  'primary_storage',
  'replicas',
  'intents',
  'barrier',
  'placement',
  'settled',
] as const;

/** A record as parameters of a statement, in the order of {@link writtenColumns}. */
export function writtenValues(record: RepositoryRecord): unknown[] {
  return [
    record.virtualStorage,
    record.relativePath,
    record.replicaPath,
    record.epoch,
    record.lsn,
    record.primary,
    toJson(record.replicas),
    toJson(record.intents),
    record.barrier === undefined ? null : toJson(record.barrier),
    encodePlacement(placementOf(record)),
    isSettled(record),
  ];
}

const roles: readonly ReplicaRole[] = ['voter', 'learner', 'leaving'];
const intentKinds: readonly Intent['kind'][] = ['write', 'creation'];

function known<T extends string>(words: readonly T[], word: T): T {
  if (words.includes(word)) return word;
  throw new Error(`the store holds ${JSON.stringify(word)}; this proxy knows ${words.join(', ')}`);
}

function toJson(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'bigint' ? part.toString() : part,
  );
}
