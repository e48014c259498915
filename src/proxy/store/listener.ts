import type { QueryConfig } from 'pg';
import { backoffDelayMs, type BackoffPolicy } from '../../base/backoff.ts';
import { sleep, withTimeout, type Clock } from '../../base/clock.ts';
import { deferred, type Deferred } from '../../base/deferred.ts';
import type { Logger } from '../../base/logger.ts';
import type { Random } from '../../base/random.ts';
import type { Stoppable } from '../../base/scope.ts';
import type { Announcement } from './announcement.ts';
import type { WatchEvents } from './control-store.ts';
import type { ListenSession } from './listen-session.ts';
import { singleError } from './store-error.ts';
import { Watchers } from './watchers.ts';

export interface ListenerOptions {
  /** Connects and begins to listen; rejects once `signal` is aborted. */
  readonly openSession: (signal: AbortSignal) => Promise<ListenSession>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Called whenever the connection is lost, before the watchers are told. */
  readonly onLost: () => void;
  /** How long a watcher waits for the first connection. */
  readonly callMs: number;
  readonly backoff?: BackoffPolicy;
}

/** Writes wait for this connection: two seconds after the store's return they are to go on. */
const defaultBackoff: BackoffPolicy = { initialMs: 50, maxMs: 750 };

/**
 * Keeps one listening connection alive for all watchers, from the first one on.
 *
 * 1. Connect; after a failure wait, longer each time, and try again.
 * 2. LISTEN is in force: tell each watcher to reset, since changes may have been missed until now.
 * 3. Pass on what is heard, until the connection is lost.
 * 4. Tell each watcher that nothing is heard any more, and begin again.
 *
 * It logs for debugging only: what an outage means is for those to tell who need the store.
 */
export class Listener implements Stoppable {
  readonly #options: ListenerOptions;
  readonly #watchers: Watchers;
  readonly #stopping = new AbortController();
  /** Watchers that have not been reset yet. */
  readonly #waiting = new Set<Deferred<void>>();
  /** Set while LISTEN is in force. */
  #session: ListenSession | undefined;
  #lastError = new Error('not connected yet');
  #running: Promise<void> | undefined;

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.#watchers = new Watchers((error) => {
      options.logger.error({ err: error }, 'a watcher of the control store failed');
    });
  }

  /**
   * Adds a watcher and resolves once it has been reset for the first time.
   *
   * @throws Error if no connection comes about within the limit
   */
  async watch(events: WatchEvents): Promise<Stoppable> {
    this.#stopping.signal.throwIfAborted();
    this.#watchers.add(events);
    this.#running ??= this.#run();
    if (this.#session === undefined) {
      await this.#firstReset().catch(() => {
        this.#watchers.delete(events);
        throw this.#lastError;
      });
    } else {
      this.#watchers.reset(events);
    }
    return {
      stop: async () => {
        this.#watchers.delete(events);
      },
    };
  }

  /**
   * Runs a statement on the listening connection.
   *
   * @throws Error if there is none, or if the statement fails or takes too long
   */
  async query(query: QueryConfig): Promise<void> {
    if (this.#session === undefined) {
      const reason = this.#lastError.message;
      throw new Error(`changes are not being heard: ${reason}`, { cause: this.#lastError });
    }
    await this.#session.query(query);
  }

  /** Passes on what was heard. `undefined` could not be understood: then everything is void. */
  hear(announcement: Announcement | undefined): void {
    if (this.#session === undefined) return;
    if (announcement === undefined) this.#watchers.resetAll();
    else this.#watchers.announce(announcement);
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('stopped'));
    await this.#session?.stop();
    await this.#running;
  }

  async #firstReset(): Promise<void> {
    const { clock, callMs } = this.#options;
    const reset = deferred<void>();
    this.#waiting.add(reset);
    await withTimeout(clock, callMs, 'listening', reset.promise).finally(() =>
      this.#waiting.delete(reset),
    );
  }

  async #run(): Promise<void> {
    const { clock, random, backoff = defaultBackoff } = this.#options;
    const { signal } = this.#stopping;
    let failures = 0;
    while (!signal.aborted) {
      const session = await this.#connect(failures);
      failures = session === undefined ? failures + 1 : 0;
      if (session !== undefined) await this.#serve(session);
      const delayMs = backoffDelayMs(backoff, Math.max(1, failures), random);
      await sleep(clock, delayMs, signal).catch(() => {});
    }
  }

  async #connect(failures: number): Promise<ListenSession | undefined> {
    const { openSession, logger } = this.#options;
    try {
      return await openSession(this.#stopping.signal);
    } catch (error) {
      this.#lastError = singleError(error);
      if (failures === 0 && !this.#stopping.signal.aborted) {
        const reason = this.#lastError.message;
        logger.debug({ reason }, 'the control store cannot be listened to; trying again');
      }
      return undefined;
    }
  }

  async #serve(session: ListenSession): Promise<void> {
    const { logger } = this.#options;
    this.#session = session;
    this.#watchers.resetAll();
    for (const reset of this.#waiting) reset.resolve();
    logger.debug({}, 'listening to the control store');
    const error = await session.lost;
    this.#session = undefined;
    this.#lastError = error;
    if (this.#stopping.signal.aborted) return;
    logger.debug({ reason: error.message }, 'the listening connection is lost; connecting again');
    this.#options.onLost();
    this.#watchers.disconnected(error);
  }
}
