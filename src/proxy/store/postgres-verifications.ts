import type { QueryConfig } from 'pg';
import { recordFromRow, type RepositoryRow } from './records.ts';
import * as queries from './verification-queries.ts';
import type {
  DueCounts,
  DueQuery,
  EndedTurn,
  Finding,
  FindingsQuery,
  TakeQuery,
  VerificationQueue,
  VerificationResult,
  VerificationSelection,
  VerificationState,
  VerificationTurn,
} from './verification-queue.ts';

/** Asks the database; rejects with a StoreUnavailableError. */
export type Ask = <Row extends object>(query: QueryConfig) => Promise<readonly Row[]>;

/** So many are changed in one statement: it has to be done within the limit of a call. */
const markedAtOnce = 2000;

/** The queue of verifications in PostgreSQL. */
export class PostgresVerifications implements VerificationQueue {
  readonly #ask: Ask;

  constructor(ask: Ask) {
    this.#ask = ask;
  }

  async take(query: TakeQuery): Promise<readonly VerificationTurn[]> {
    await this.#ask(queries.promoteRechecks());
    const rows = await this.#ask<RepositoryRow & { readonly token: string }>(
      queries.takeTurns(query),
    );
    return rows.map((row) => ({ record: recordFromRow(row), token: row.token }));
  }

  async end(turn: EndedTurn, result: VerificationResult): Promise<boolean> {
    return (await this.#ask(queries.endTurn(turn, result))).length > 0;
  }

  async markUnverified(which: VerificationSelection): Promise<number> {
    let replicas = 0;
    for (let afterId = 0n; ;) {
      const [page] = await this.#ask<MarkedRow>(
        queries.markUnverified(which, afterId, markedAtOnce),
      );
      if (page === undefined || page.last === null) return replicas;
      replicas += page.replicas;
      if (page.repositories < markedAtOnce) return replicas;
      afterId = BigInt(page.last);
    }
  }

  async recheck(id: bigint, afterMs: number): Promise<void> {
    await this.#ask(queries.recheck(id, afterMs));
  }

  async get(id: bigint): Promise<VerificationState | undefined> {
    const [row] = await this.#ask<StateRow>(queries.getVerification(id));
    if (row === undefined) return undefined;
    return {
      ...(row.verified_at_ms !== null && { verifiedAtMs: Math.round(row.verified_at_ms) }),
      ...(row.finding !== null && { finding: row.finding }),
    };
  }

  async findings(query: FindingsQuery): Promise<readonly Finding[]> {
    const rows = await this.#ask<RepositoryRow & { readonly finding: string }>(
      queries.listFindings(query),
    );
    return rows.map((row) => ({ record: recordFromRow(row), finding: row.finding }));
  }

  async countFindings(virtualStorage: string): Promise<number> {
    const [row] = await this.#ask<{ readonly findings: number }>(
      queries.countFindings(virtualStorage),
    );
    return row?.findings ?? 0;
  }

  async countDue(query: DueQuery): Promise<DueCounts> {
    const [row] = await this.#ask<DueCounts>(queries.countDue(query));
    return { unverified: row?.unverified ?? 0, expired: row?.expired ?? 0 };
  }
}

interface MarkedRow {
  readonly last: string | null;
  readonly repositories: number;
  readonly replicas: number;
}

interface StateRow {
  readonly verified_at_ms: number | null;
  readonly finding: string | null;
}
