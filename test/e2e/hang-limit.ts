/**
 * For tests and hooks that hang. It is no limit for what they wait for: each wait has its own, and tells what has
 * not come.
 */
export const hangLimitMs = 2_700_000;
