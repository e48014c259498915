import type { QueryConfig } from 'pg';
import { rowColumns } from './records.ts';
import type {
  DueQuery,
  EndedTurn,
  FindingsQuery,
  TakeQuery,
  VerificationResult,
  VerificationSelection,
} from './verification-queue.ts';

const columns = rowColumns.map((column) => `repositories.${column}`).join(', ');

const milliseconds = (parameter: string) => `${parameter} * interval '1 millisecond'`;

/** Reads as many entries of the index as it takes, and no others. */
export function takeTurns({ intervalMs, leaseMs, limit }: TakeQuery): QueryConfig {
  return {
    name: 'take-verifications',
    text: `WITH due AS (
             SELECT id FROM verifications WHERE queued_at <= now() - ${milliseconds('$1')}
             ORDER BY queued_at LIMIT $3 FOR UPDATE SKIP LOCKED
           ), taken AS (
             UPDATE verifications
             SET queued_at = clock_timestamp() - ${milliseconds('$1')} + ${milliseconds('$2')}
             FROM due WHERE verifications.id = due.id
             RETURNING verifications.id, verifications.queued_at::text AS token
           )
           SELECT taken.token, ${columns} FROM taken JOIN repositories USING (id)`,
    values: [intervalMs, leaseMs, limit],
  };
}

/** Puts those whose time to be rechecked has come before all others. */
export function promoteRechecks(): QueryConfig {
  return {
    name: 'promote-rechecks',
    text: `WITH due AS (
             SELECT id FROM verifications WHERE recheck_at <= now() FOR UPDATE SKIP LOCKED
           )
           UPDATE verifications SET queued_at = '-infinity', recheck_at = NULL
           FROM due WHERE verifications.id = due.id`,
  };
}

export function recheck(id: bigint, afterMs: number): QueryConfig {
  return {
    text: `UPDATE verifications SET recheck_at = now() + ${milliseconds('$2')} WHERE id = $1`,
    values: [id, afterMs],
  };
}

/** Changes no row if it is another turn. */
export function endTurn(turn: EndedTurn, result: VerificationResult): QueryConfig {
  const which = 'WHERE id = $1 AND queued_at = coalesce($2::timestamptz, queued_at) RETURNING id';
  const { token = null, record } = turn;
  if (result.kind === 'verified') {
    return {
      name: 'end-verification',
      text: `UPDATE verifications
             SET queued_at = now(), verified_at = now(), finding = NULL ${which}`,
      values: [record.id, token],
    };
  }
  const { intervalMs, retryMs, finding = null } = result;
  return {
    name: 'postpone-verification',
    text: `UPDATE verifications
           SET queued_at = now() - ${milliseconds('$3')} + ${milliseconds('$4')},
               finding = coalesce($5, finding) ${which}`,
    values: [record.id, token, intervalMs, retryMs, finding],
  };
}

/** One page: changes those of at most `limit` repositories whose ids come after `afterId`. */
export function markUnverified(
  which: VerificationSelection,
  afterId: bigint,
  limit: number,
): QueryConfig {
  const values: unknown[] = [afterId, limit];
  const parameter = (value: unknown) => `$${values.push(value)}`;
  const conditions = ['id > $1'];
  if (which.kind === 'repository') conditions.push(`id = ${parameter(which.id)}`);
  else conditions.push(`virtual_storage = ${parameter(which.virtualStorage)}`);
  if (which.kind === 'storage') {
    const replica = JSON.stringify([{ storage: which.storage }]);
    conditions.push(`replicas @> ${parameter(replica)}::jsonb`);
  }
  const replicas = which.kind === 'storage' ? '1' : 'jsonb_array_length(replicas)';
  return {
    text: `WITH page AS (
             SELECT id, ${replicas} AS replicas FROM repositories
             WHERE ${conditions.join(' AND ')} ORDER BY id LIMIT $2
           ), marked AS (
             UPDATE verifications SET queued_at = '-infinity', verified_at = NULL
             FROM page WHERE verifications.id = page.id
           )
           SELECT max(id) AS last, count(*)::int AS repositories,
                  coalesce(sum(replicas), 0)::int AS replicas FROM page`,
    values,
  };
}

export function getVerification(id: bigint): QueryConfig {
  return {
    text: `SELECT (extract(epoch FROM verified_at) * 1000)::float8 AS verified_at_ms, finding
           FROM verifications WHERE id = $1`,
    values: [id],
  };
}

export function countFindings(virtualStorage: string): QueryConfig {
  return {
    text: `SELECT count(*)::int AS findings FROM verifications JOIN repositories USING (id)
           WHERE finding IS NOT NULL AND virtual_storage = $1`,
    values: [virtualStorage],
  };
}

export function listFindings({ virtualStorage, afterId, limit }: FindingsQuery): QueryConfig {
  const values: unknown[] = [afterId, limit];
  const where =
    virtualStorage === undefined ? '' : `AND virtual_storage = $${values.push(virtualStorage)}`;
  return {
    text: `SELECT finding, ${columns} FROM verifications JOIN repositories USING (id)
           WHERE finding IS NOT NULL AND id > $1 ${where} ORDER BY id LIMIT $2`,
    values,
  };
}

export function countDue({ virtualStorage, intervalMs }: DueQuery): QueryConfig {
  return {
    text: `SELECT count(*) FILTER (WHERE verified_at IS NULL)::int AS unverified,
                  count(verified_at)::int AS expired
           FROM verifications JOIN repositories USING (id)
           WHERE queued_at <= now() - ${milliseconds('$2')} AND virtual_storage = $1`,
    values: [virtualStorage, intervalMs],
  };
}
