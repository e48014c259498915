/** Something that was started. */
export interface Stoppable {
  /** Ends the work, waits for what is under way, and resolves. May be called more than once. */
  stop(): Promise<void>;
}

/** Owns what was started and stops it, last first. */
export class Scope implements Stoppable {
  readonly #owned: Stoppable[] = [];
  #stopping: Promise<void> | undefined;

  /** Takes ownership and returns `thing`. */
  own<T extends Stoppable>(thing: T): T {
    this.#owned.push(thing);
    return thing;
  }

  /** Runs `action` when the scope stops. */
  onStop(action: () => void | Promise<void>): void {
    this.#owned.push({
      async stop() {
        await action();
      },
    });
  }

  /** Stops everything, also when some stops fail; then rejects with the first failure. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stopAll();
    return this.#stopping;
  }

  async #stopAll(): Promise<void> {
    const failures: unknown[] = [];
    for (const thing of this.#owned.toReversed()) {
      try {
        await thing.stop();
      } catch (failure) {
        failures.push(failure);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}
