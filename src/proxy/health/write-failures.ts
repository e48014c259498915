/**
 * Whether a storage fails writes that others could do, from how its writes end (pure).
 *
 * Health checks tell that a process answers. Writes go all the way to the disk: a storage whose disk is
 * full or stands still fails them, and answers checks. Two in a row, soon after one another, count: one
 * may be a lock that was in its way. What follows costs little, as no call is kept from the storage: it is
 * no primary for a while, where another one can be.
 *
 * So that primaries do not go to and fro, the storage is trusted again only a minute after its last
 * failure, and after that a single one counts until a write has succeeded there.
 */
export interface WriteFailures {
  /** In a row. */
  readonly count: number;
  readonly lastAtMs: number;
  /** The storage is not trusted until then. */
  readonly distrustedUntilMs: number;
}

/** How a write has ended on a storage. `failed`: another one could do the same. */
export type WriteEvidence = 'done' | 'failed';

const failuresToDistrust = 2;
/** How soon one has to follow the other. Longer than a write waits for a storage that is too late. */
const successionMs = 30_000;
const distrustMs = 60_000;

/** Of a storage on which no write has ended yet. */
export const noWriteFailures: WriteFailures = {
  count: 0,
  lastAtMs: Number.NEGATIVE_INFINITY,
  distrustedUntilMs: Number.NEGATIVE_INFINITY,
};

/** @param nowMs monotonic */
export function stepWriteFailures(
  state: WriteFailures,
  evidence: WriteEvidence,
  nowMs: number,
): WriteFailures {
  const wasDistrusted = state.count >= failuresToDistrust;
  if (evidence === 'done') return isTrusted(state, nowMs) ? noWriteFailures : state;
  const follows = wasDistrusted || nowMs - state.lastAtMs <= successionMs;
  const count = follows ? state.count + 1 : 1;
  const distrustedUntilMs =
    count >= failuresToDistrust ? nowMs + distrustMs : state.distrustedUntilMs;
  return { count, lastAtMs: nowMs, distrustedUntilMs };
}

/** Whether writes may rely on the storage. */
export function isTrusted({ distrustedUntilMs }: WriteFailures, nowMs: number): boolean {
  return nowMs >= distrustedUntilMs;
}
