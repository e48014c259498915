import type { Clock } from '../../base/clock.ts';
import type { RepositoryRecord } from '../routing/repository-record.ts';
import type {
  DueCounts,
  DueQuery,
  EndedTurn,
  Finding,
  FindingsQuery,
  TakeQuery,
  VerificationResult,
  VerificationSelection,
  VerificationState,
  VerificationTurn,
} from './verification-queue.ts';

interface Entry extends VerificationState {
  readonly queuedAtMs: number;
  readonly recheckAtMs?: number;
  readonly token: number;
}

/** The queue of verifications in memory: each method is one atomic step. */
export class MemoryVerifications {
  readonly #clock: Clock;
  readonly #records: ReadonlyMap<bigint, RepositoryRecord>;
  readonly #entries = new Map<bigint, Entry>();
  #lastToken = 0;

  constructor(clock: Clock, records: ReadonlyMap<bigint, RepositoryRecord>) {
    this.#clock = clock;
    this.#records = records;
  }

  add(id: bigint): void {
    this.#put(id, { queuedAtMs: this.#clock.monotonicMs() });
  }

  remove(id: bigint): void {
    this.#entries.delete(id);
  }

  take({ intervalMs, leaseMs, limit }: TakeQuery): readonly VerificationTurn[] {
    this.#promoteRechecks();
    const dueMs = this.#clock.monotonicMs() - intervalMs;
    const due = [...this.#entries]
      .filter(([, { queuedAtMs }]) => queuedAtMs <= dueMs)
      .toSorted(([, a], [, b]) => a.queuedAtMs - b.queuedAtMs)
      .slice(0, limit);
    return due.flatMap(([id, entry]) => {
      const record = this.#records.get(id);
      const { token } = this.#put(id, { ...entry, queuedAtMs: dueMs + leaseMs });
      return record === undefined ? [] : [{ record, token: String(token) }];
    });
  }

  end({ record: { id }, token }: EndedTurn, result: VerificationResult): boolean {
    const entry = this.#entries.get(id);
    if (entry === undefined) return false;
    if (token !== undefined && String(entry.token) !== token) return false;
    const nowMs = this.#clock.monotonicMs();
    if (result.kind === 'verified') {
      const { finding: _, ...rest } = entry;
      const verifiedAtMs = Math.round(this.#clock.wallMs());
      this.#put(id, { ...rest, queuedAtMs: nowMs, verifiedAtMs });
      return true;
    }
    const { intervalMs, retryMs, finding = entry.finding } = result;
    const queuedAtMs = nowMs - intervalMs + retryMs;
    this.#put(id, { ...entry, queuedAtMs, ...(finding !== undefined && { finding }) });
    return true;
  }

  markUnverified(which: VerificationSelection): number {
    let replicas = 0;
    for (const [id, { verifiedAtMs: _, ...entry }] of this.#entries) {
      const marked = replicasOf(this.#records.get(id), which);
      if (marked === 0) continue;
      replicas += marked;
      this.#put(id, { ...entry, queuedAtMs: Number.NEGATIVE_INFINITY });
    }
    return replicas;
  }

  recheck(id: bigint, afterMs: number): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    // It stays the same turn.
    this.#entries.set(id, { ...entry, recheckAtMs: this.#clock.monotonicMs() + afterMs });
  }

  get(id: bigint): VerificationState | undefined {
    const entry = this.#entries.get(id);
    if (entry === undefined) return undefined;
    const { verifiedAtMs, finding } = entry;
    return {
      ...(verifiedAtMs !== undefined && { verifiedAtMs }),
      ...(finding !== undefined && { finding }),
    };
  }

  findings({ virtualStorage, afterId, limit }: FindingsQuery): readonly Finding[] {
    return [...this.#entries]
      .flatMap(([id, { finding }]): readonly Finding[] => {
        const record = this.#records.get(id);
        return record === undefined || finding === undefined ? [] : [{ record, finding }];
      })
      .filter(({ record }) => record.id > afterId)
      .filter(({ record }) => record.virtualStorage === (virtualStorage ?? record.virtualStorage))
      .toSorted((a, b) => (a.record.id < b.record.id ? -1 : 1))
      .slice(0, limit);
  }

  countDue({ virtualStorage, intervalMs }: DueQuery): DueCounts {
    const dueMs = this.#clock.monotonicMs() - intervalMs;
    const due = [...this.#entries].filter(
      ([id, { queuedAtMs }]) =>
        queuedAtMs <= dueMs && this.#records.get(id)?.virtualStorage === virtualStorage,
    );
    const expired = due.filter(([, { verifiedAtMs }]) => verifiedAtMs !== undefined).length;
    return { unverified: due.length - expired, expired };
  }

  #promoteRechecks(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const [id, { recheckAtMs, ...entry }] of this.#entries) {
      if (recheckAtMs === undefined || recheckAtMs > nowMs) continue;
      this.#put(id, { ...entry, queuedAtMs: Number.NEGATIVE_INFINITY });
    }
  }

  #put(id: bigint, entry: Omit<Entry, 'token'>): Entry {
    this.#lastToken += 1;
    const next = { ...entry, token: this.#lastToken };
    this.#entries.set(id, next);
    return next;
  }
}

/** How many of a repository's replicas are meant. */
function replicasOf(record: RepositoryRecord | undefined, which: VerificationSelection): number {
  if (record === undefined) return 0;
  if (which.kind === 'repository') return record.id === which.id ? record.replicas.length : 0;
  if (record.virtualStorage !== which.virtualStorage) return 0;
  if (which.kind === 'virtualStorage') return record.replicas.length;
  return record.replicas.some(({ storage }) => storage === which.storage) ? 1 : 0;
}
