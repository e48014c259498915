import type { QueryConfig } from 'pg';
import { recordFromRow, type RepositoryRow } from './records.ts';
import * as queries from './verification-queries.ts';
import type {
  EndedTurn,
  TakeQuery,
  VerificationCounts,
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

  async get(id: bigint): Promise<VerificationState | undefined> {
    const [row] = await this.#ask<StateRow>(queries.getVerification(id));
    if (row === undefined) return undefined;
    return {
      ...(row.verified_at_ms !== null && { verifiedAtMs: row.verified_at_ms }),
      ...(row.finding !== null && { finding: row.finding }),
    };
  }

  async count({
    virtualStorage,
    intervalMs,
  }: Parameters<VerificationQueue['count']>[0]): Promise<VerificationCounts> {
    const [[found], [due]] = await Promise.all([
      this.#ask<Pick<VerificationCounts, 'findings'>>(queries.countFindings(virtualStorage)),
      this.#ask<Omit<VerificationCounts, 'findings'>>(queries.countDue(virtualStorage, intervalMs)),
    ]);
    return {
      findings: found?.findings ?? 0,
      unverified: due?.unverified ?? 0,
      expired: due?.expired ?? 0,
    };
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
