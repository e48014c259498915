/** How one call ended. Times are milliseconds of one clock. */
export interface Ended {
  readonly kind: 'write' | 'read';
  /** Like `push` or `FindCommit`. */
  readonly method: string;
  readonly repository: string;
  readonly startMs: number;
  readonly endMs: number;
  /** `OK`, or what went wrong: a status code, or `git` for a git that failed. */
  readonly result: string;
}

/** What is told of a run. */
export interface Figures {
  readonly writes: number;
  readonly acknowledged: number;
  readonly reads: number;
  /** Failures by method and result, like `FindCommit UNAVAILABLE`. */
  readonly failed: Readonly<Record<string, number>>;
  /**
   * The longest time that any repository refused all writes: from the start of the first that failed to the next
   * acknowledgement, or to the last failure if there was none. Whole milliseconds.
   */
  readonly longestRefusalMs: number;
  /** The longest time between two acknowledged writes, whatever their repository. Whole milliseconds. */
  readonly longestSilenceMs: number;
}

interface Refusal {
  readonly sinceMs: number;
}

/** Counts how calls end. */
export class Tally {
  readonly #counts = { writes: 0, acknowledged: 0, reads: 0 };
  readonly #failed = new Map<string, number>();
  readonly #refusals = new Map<string, Refusal>();
  #longestRefusalMs = 0;
  #longestSilenceMs = 0;
  #acknowledgedMs: number | undefined;

  add(ended: Ended): void {
    const isWrite = ended.kind === 'write';
    this.#counts[isWrite ? 'writes' : 'reads'] += 1;
    if (ended.result !== 'OK') {
      const name = `${ended.method} ${ended.result}`;
      this.#failed.set(name, (this.#failed.get(name) ?? 0) + 1);
      if (isWrite) this.#refused(ended);
    } else if (isWrite) {
      this.#acknowledged(ended);
    }
  }

  get figures(): Figures {
    return {
      ...this.#counts,
      failed: Object.fromEntries([...this.#failed].toSorted(([a], [b]) => (a < b ? -1 : 1))),
      longestRefusalMs: Math.round(this.#longestRefusalMs),
      longestSilenceMs: Math.round(this.#longestSilenceMs),
    };
  }

  #refused({ repository, startMs, endMs }: Ended): void {
    const refusal = this.#refusals.get(repository) ?? { sinceMs: startMs };
    this.#refusals.set(repository, refusal);
    this.#longestRefusalMs = Math.max(this.#longestRefusalMs, endMs - refusal.sinceMs);
  }

  #acknowledged({ repository, endMs }: Ended): void {
    this.#counts.acknowledged += 1;
    const refusal = this.#refusals.get(repository);
    if (refusal !== undefined) {
      this.#longestRefusalMs = Math.max(this.#longestRefusalMs, endMs - refusal.sinceMs);
      this.#refusals.delete(repository);
    }
    const silenceMs = endMs - (this.#acknowledgedMs ?? endMs);
    this.#longestSilenceMs = Math.max(this.#longestSilenceMs, silenceMs);
    this.#acknowledgedMs = endMs;
  }
}
