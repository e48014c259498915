import { backoffDelayMs, type BackoffPolicy } from '../../base/backoff.ts';
import { sleep } from '../../base/clock.ts';
import { errorMessage } from '../../base/errors.ts';
import type { Random } from '../../base/random.ts';
import type { Stoppable } from '../../base/scope.ts';
import type { Http2Session } from '../wire/http2/session.ts';
import type { Transport } from '../wire/transport.ts';
import type { StorageCalls } from './storage-calls.ts';
import { dialStorage, StorageSession, type ConnectionOptions } from './storage-session.ts';

export interface StorageConnectionOptions extends ConnectionOptions {
  /** Those that go on the connection. */
  readonly calls: Pick<StorageCalls, 'add' | 'remove' | 'onRoom'>;
  onConnected(): void;
  /** The storage takes no more calls on the connection; those on it go on. */
  onDraining(): void;
  /** The connection broke, or could not be made. Called for each attempt. */
  onLost(reason: string): void;
  readonly random: Random;
}

const reconnectPolicy: BackoffPolicy = { initialMs: 50, maxMs: 1000 };

/**
 * The connection to one Gitaly that is always there: it is made again whenever it breaks, until it is
 * stopped, and also when the storage takes no more calls on it: those that run there go on beside the
 * new one.
 */
export class StorageConnection implements Stoppable {
  readonly #options: StorageConnectionOptions;
  readonly #stopping = new AbortController();
  #session: StorageSession | undefined;
  /** Sessions on which the storage takes no more calls, and those that run go on. */
  readonly #draining = new Set<StorageSession>();
  #running: Promise<void> | undefined;

  constructor(options: StorageConnectionOptions) {
    this.#options = options;
  }

  /** What identifies the connection, or undefined while there is none. */
  get session(): Http2Session | undefined {
    return this.#session?.http2.state === 'open' ? this.#session.http2 : undefined;
  }

  /** Calls of this proxy that run there. */
  get outstanding(): number {
    let streams = this.#session?.http2.activeStreams ?? 0;
    for (const { http2 } of this.#draining) streams += http2.activeStreams;
    return streams;
  }

  /** What has arrived on the current connection, of whatever kind. */
  get receivedBytes(): number {
    return this.#session?.receivedBytes ?? 0;
  }

  start(): void {
    this.#running ??= this.#connectForever();
  }

  /**
   * Drops the connection and every call on it; a new one is made. For a storage that hangs. One on
   * which it takes no more calls is left: that has a watch of its own.
   */
  drop(reason: string): void {
    this.#session?.http2.destroy(new Error(reason));
  }

  /** See {@link StorageSession.confirmArrival}. */
  confirmArrival(limitMs: number): void {
    for (const session of [this.#session, ...this.#draining]) void session?.confirmArrival(limitMs);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    for (const session of [this.#session, ...this.#draining]) {
      session?.http2.destroy(new Error('the proxy stops'));
    }
    await this.#running;
  }

  async #connectForever(): Promise<void> {
    const { signal } = this.#stopping;
    const { clock, random } = this.#options;
    for (let failures = 0; !signal.aborted;) {
      const connectedAtMs = clock.monotonicMs();
      const reason = await this.#runConnection();
      if (signal.aborted) return;
      this.#options.onLost(reason);
      // A connection that lasted starts the series anew.
      failures = clock.monotonicMs() - connectedAtMs > 10_000 ? 1 : failures + 1;
      await sleep(clock, backoffDelayMs(reconnectPolicy, failures, random), signal).catch(() => {});
    }
  }

  /** Connects, and resolves with the reason when the connection is gone, or takes no more calls. */
  async #runConnection(): Promise<string> {
    try {
      return await this.#serve(await dialStorage(this.#options, this.#stopping.signal));
    } catch (error) {
      return errorMessage(error);
    }
  }

  #serve(transport: Transport): Promise<string> {
    const { calls, onConnected, onDraining } = this.#options;
    return new Promise((resolve) => {
      const leave = (reason: string) => {
        if (this.#session === session) this.#session = undefined;
        calls.remove(session.http2);
        resolve(reason);
      };
      const session = new StorageSession(transport, this.#options, {
        onRoom: () => calls.onRoom(),
        onDraining: () => {
          if (this.#session !== session) return;
          this.#draining.add(session);
          session.watch();
          onDraining();
          leave('the storage takes no more calls on the connection');
        },
        onClosed: (reason) => {
          this.#draining.delete(session);
          leave(reason);
        },
      });
      this.#session = session;
      calls.add(session.http2, true);
      onConnected();
    });
  }
}
