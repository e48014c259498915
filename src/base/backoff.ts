import type { Random } from './random.ts';

/** How long to wait between attempts. Delays grow by `factor` from `initialMs` to `maxMs`. */
export interface BackoffPolicy {
  readonly initialMs: number;
  readonly maxMs: number;
  /** Default 2. */
  readonly factor?: number;
  /** Each delay is spread by up to this share of itself, both ways. Default 0.2. */
  readonly jitter?: number;
}

/** The delay before attempt `attempt + 1`, after `attempt` failures (at least 1). */
export function backoffDelayMs(policy: BackoffPolicy, attempt: number, random: Random): number {
  const { initialMs, maxMs, factor = 2, jitter = 0.2 } = policy;
  const base = Math.min(maxMs, initialMs * factor ** (attempt - 1));
  return base * (1 + jitter * (2 * random.next() - 1));
}
