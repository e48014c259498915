import { sleep, type Timer } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Stoppable } from '../../base/scope.ts';
import type { Transport } from '../wire/transport.ts';
import type { StorageCalls } from './storage-calls.ts';
import { dialStorage, StorageSession, type ConnectionOptions } from './storage-session.ts';

export interface FurtherConnectionsOptions extends ConnectionOptions {
  /** Those that go on the connections. */
  readonly calls: Pick<StorageCalls, 'add' | 'remove' | 'onRoom'>;
  readonly logger: Logger;
}

/** After an attempt that failed. */
const pauseMs = 1000;
/** One without calls is closed when it is looked at. */
const idleCheckMs = 30_000;

/**
 * The connections to one Gitaly beside the first, for calls of which it does not take as many as are
 * needed on one. Each is like the first: votes and sidechannels come back on the connection that the
 * call went on. They are made when calls wait for room, are not made again when they break, and are
 * closed when nothing runs there at one of the looks, every half a minute.
 */
export class FurtherConnections implements Stoppable {
  readonly #options: FurtherConnectionsOptions;
  readonly #stopping = new AbortController();
  readonly #sessions = new Map<StorageSession, Timer>();

  constructor(options: FurtherConnectionsOptions) {
    this.#options = options;
  }

  /** Calls of this proxy that run there. */
  get outstanding(): number {
    let streams = 0;
    for (const { http2 } of this.#sessions.keys()) streams += http2.activeStreams;
    return streams;
  }

  /**
   * Makes one more. Resolves when it takes calls, or, if it could not be made, after a pause. Never
   * rejects.
   */
  async connect(): Promise<void> {
    const { clock, logger, storage } = this.#options;
    const { signal } = this.#stopping;
    try {
      await this.#serve(await dialStorage(this.#options, signal));
      logger.info({ storage }, 'calls waited for room, and have a further connection now');
    } catch (error) {
      if (signal.aborted) return;
      logger.warn({ storage, err: error }, 'no further connection could be made');
      await sleep(clock, pauseMs, signal).catch(() => {});
    }
  }

  /** As for {@link StorageConnection.drop}. */
  drop(reason: string): void {
    for (const { http2 } of this.#sessions.keys()) {
      if (http2.state === 'open') http2.destroy(new Error(reason));
    }
  }

  /** See {@link StorageSession.confirmArrival}. */
  confirmArrival(limitMs: number): void {
    for (const session of this.#sessions.keys()) void session.confirmArrival(limitMs);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    for (const { http2 } of this.#sessions.keys()) http2.destroy(new Error('the proxy stops'));
  }

  /** Resolves when the storage has told how many calls it takes. */
  #serve(transport: Transport): Promise<void> {
    const { calls } = this.#options;
    return new Promise((resolve, reject) => {
      const session = new StorageSession(transport, this.#options, {
        onRoom: () => {
          resolve();
          calls.onRoom();
        },
        onDraining: () => calls.remove(session.http2),
        onClosed: (reason) => {
          this.#sessions.get(session)?.cancel();
          this.#sessions.delete(session);
          calls.remove(session.http2);
          reject(new Error(reason));
        },
      });
      session.watch();
      this.#checkLater(session);
      calls.add(session.http2, false);
      if (this.#stopping.signal.aborted) session.http2.destroy(new Error('the proxy stops'));
    });
  }

  #checkLater(session: StorageSession): void {
    const { clock, calls } = this.#options;
    const timer = clock.after(idleCheckMs, () => {
      if (session.http2.activeStreams > 0) this.#checkLater(session);
      else {
        calls.remove(session.http2);
        session.http2.goAway();
      }
    });
    this.#sessions.set(session, timer);
  }
}
