import { deliver, type Announcement } from './announcement.ts';
import type { WatchEvents } from './control-store.ts';

/** Everyone who watches over one connection. A watcher that throws does not harm the others. */
export class Watchers {
  readonly #onError: (error: unknown) => void;
  readonly #watchers = new Set<WatchEvents>();

  /** `onError` is given what a watcher throws. */
  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  add(watcher: WatchEvents): void {
    this.#watchers.add(watcher);
  }

  delete(watcher: WatchEvents): void {
    this.#watchers.delete(watcher);
  }

  reset(watcher: WatchEvents): void {
    this.#tell(watcher, (events) => events.onReset());
  }

  resetAll(): void {
    for (const watcher of this.#watchers) this.reset(watcher);
  }

  announce(announcement: Announcement): void {
    for (const watcher of this.#watchers) {
      this.#tell(watcher, (events) => deliver(announcement, events));
    }
  }

  disconnected(error: Error): void {
    for (const watcher of this.#watchers) {
      this.#tell(watcher, (events) => events.onDisconnected(error));
    }
  }

  #tell(watcher: WatchEvents, tell: (watcher: WatchEvents) => void): void {
    try {
      tell(watcher);
    } catch (error) {
      this.#onError(error);
    }
  }
}
