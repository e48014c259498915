/** Spreads calls to storages evenly over time: none gets more in a second than it is to get. */
export class CallBudget {
  readonly #freeAtMs = new Map<string, number>();

  /**
   * Books `calls` on each of the storages.
   *
   * @returns how long to wait before they are made
   */
  book(storages: readonly string[], calls: number, perSecond: number, nowMs: number): number {
    const startMs = Math.max(nowMs, ...storages.map((it) => this.#freeAtMs.get(it) ?? nowMs));
    for (const storage of storages) {
      this.#freeAtMs.set(storage, startMs + (calls * 1000) / perSecond);
    }
    return startMs - nowMs;
  }
}
