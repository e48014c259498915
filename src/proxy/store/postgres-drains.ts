import type { QueryConfig } from 'pg';
import type {
  CallsLeft,
  DrainBoard,
  DrainReport,
  DrainRequest,
  Graces,
  NewDrainRequest,
} from './drain-board.ts';
import type { Ask } from './postgres-verifications.ts';
import type { StorageKey } from './storage-identity.ts';

/** The requests for drains in PostgreSQL. */
export class PostgresDrains implements DrainBoard {
  readonly #ask: Ask;

  constructor(ask: Ask) {
    this.#ask = ask;
  }

  async request(request: NewDrainRequest): Promise<void> {
    const { virtualStorage, storage, requester, reason, graces } = request;
    await this.#ask({
      text: `INSERT INTO drains (virtual_storage, storage, requester, reason, graces)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (virtual_storage, storage, requester)
             DO UPDATE SET reason = EXCLUDED.reason, graces = EXCLUDED.graces`,
      values: [virtualStorage, storage, requester, reason, JSON.stringify(graces)],
    });
  }

  async cancel({ virtualStorage, storage }: StorageKey, requester: string): Promise<void> {
    await this.#ask({
      text: 'DELETE FROM drains WHERE virtual_storage = $1 AND storage = $2 AND requester = $3',
      values: [virtualStorage, storage, requester],
    });
  }

  async list(): Promise<readonly DrainRequest[]> {
    const rows = await this.#ask<RequestRow>(listRequests);
    return rows.map((row) => ({
      id: BigInt(row.id),
      virtualStorage: row.virtual_storage,
      storage: row.storage,
      requester: row.requester,
      reason: row.reason,
      graces: row.graces,
      requestedAtMs: Math.round(row.requested_at_ms),
    }));
  }

  async report(owner: string, reports: readonly DrainReport[]): Promise<void> {
    if (reports.length === 0) return;
    await this.#ask({
      name: 'report-drains',
      text: `INSERT INTO drain_reports (drain, owner, calls)
             SELECT id, $1, reported.calls
             FROM unnest($2::bigint[], $3::jsonb[]) AS reported (drain, calls) JOIN drains ON id = drain
             ON CONFLICT (drain, owner) DO UPDATE SET calls = EXCLUDED.calls`,
      values: [
        owner,
        reports.map(({ id }) => String(id)),
        reports.map(({ calls }) => JSON.stringify(calls)),
      ],
    });
  }

  async reports(): Promise<readonly (DrainReport & { readonly owner: string })[]> {
    const rows = await this.#ask<ReportRow>({
      text: 'SELECT drain AS id, owner, calls FROM drain_reports ORDER BY drain, owner',
    });
    return rows.map(({ id, owner, calls }) => ({ id: BigInt(id), owner, calls }));
  }
}

interface RequestRow {
  readonly id: string;
  readonly virtual_storage: string;
  readonly storage: string;
  readonly requester: string;
  readonly reason: string;
  readonly graces: Graces;
  readonly requested_at_ms: number;
}

interface ReportRow {
  readonly id: string;
  readonly owner: string;
  readonly calls: readonly CallsLeft[];
}

const listRequests: QueryConfig = {
  name: 'list-drains',
  text: `SELECT id, virtual_storage, storage, requester, reason, graces,
                extract(epoch FROM requested_at)::float8 * 1000 AS requested_at_ms
         FROM drains ORDER BY id`,
};
