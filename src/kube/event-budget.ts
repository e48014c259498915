/** How many events an object may cause. */
export interface EventBudgetPolicy {
  /** At once. */
  readonly burst: number;
  /** One more after each. */
  readonly refillMs: number;
}

/** As client-go: 25, and one more every 5 minutes. */
const defaultEventBudget: EventBudgetPolicy = { burst: 25, refillMs: 300_000 };

/** A token bucket for each object, so that one that flaps does not bury the others. */
export class EventBudget {
  readonly #policy: EventBudgetPolicy;
  readonly #buckets = new Map<string, { tokens: number; atMs: number }>();

  constructor(policy: EventBudgetPolicy = defaultEventBudget) {
    this.#policy = policy;
  }

  /** Takes a token; false if there is none. */
  spend(object: string, nowMs: number): boolean {
    const { burst, refillMs } = this.#policy;
    const bucket = this.#buckets.get(object) ?? { tokens: burst, atMs: nowMs };
    const tokens = Math.min(burst, bucket.tokens + (nowMs - bucket.atMs) / refillMs);
    const granted = tokens >= 1;
    this.#buckets.set(object, { tokens: granted ? tokens - 1 : tokens, atMs: nowMs });
    return granted;
  }

  /** Forgets objects whose bucket is full again. */
  prune(nowMs: number): void {
    const { burst, refillMs } = this.#policy;
    for (const [object, { tokens, atMs }] of this.#buckets) {
      if (tokens + (nowMs - atMs) / refillMs >= burst) this.#buckets.delete(object);
    }
  }
}
