/** How often replicas are verified, and how fast. */
export interface VerificationPolicy {
  /** From one verification of a repository to the next. 0: only where somebody asks for one, and after settlements. */
  readonly intervalMs: number;
  /** Calls that a storage gets for that in a second, from all proxies together. */
  readonly callsPerSecond: number;
}

/** Every 7 days, with 10 calls a second. */
export const defaultVerificationPolicy: VerificationPolicy = {
  intervalMs: 7 * 24 * 3_600_000,
  callsPerSecond: 10,
};

/** About 30 years. */
const neverMs = 1e12;

/** The interval as the queue of verifications takes it: what is asked for or in doubt comes up in any case. */
export function queueIntervalMs({ intervalMs }: Pick<VerificationPolicy, 'intervalMs'>): number {
  return intervalMs > 0 ? intervalMs : neverMs;
}
