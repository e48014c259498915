/** Whether the proxy serves, or has been told to stop. */
export class ServingState {
  readonly #stopping = new AbortController();

  get isServing(): boolean {
    return !this.#stopping.signal.aborted;
  }

  /** From now on it does not serve; there is no way back. */
  stop(): void {
    this.#stopping.abort();
  }

  /** Resolves when the proxy stops, or when `signal` is aborted. */
  stopped(signal: AbortSignal): Promise<void> {
    const either = AbortSignal.any([signal, this.#stopping.signal]);
    if (either.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      either.addEventListener('abort', () => resolve(), { once: true });
    });
  }
}
