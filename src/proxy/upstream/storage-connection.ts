import { backoffDelayMs, type BackoffPolicy } from '../../base/backoff.ts';
import { sleep, withTimeout, type Clock } from '../../base/clock.ts';
import { errorMessage } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Random } from '../../base/random.ts';
import type { Stoppable } from '../../base/scope.ts';
import { dialBackchannel, type SidechannelStream } from '../wire/backchannel.ts';
import { Http2Session, type SessionEvents } from '../wire/http2/session.ts';
import { Keepalive } from '../wire/http2/keepalive.ts';
import type { Transport } from '../wire/transport.ts';
import type { YamuxSession } from '../wire/yamux/session.ts';

export interface StorageConnectionOptions {
  readonly storage: string;
  /** Opens a byte stream to the storage. */
  connect(signal: AbortSignal): Promise<Transport>;
  /** Serves the calls that Gitaly makes on the connection it was called on: its votes. */
  readonly backchannel: Pick<SessionEvents, 'onRequest'>;
  /** Gitaly opens a sidechannel for a call that carried this id. */
  onSidechannel(id: bigint, stream: SidechannelStream): void;
  onConnected(): void;
  /** The storage takes no more calls on the connection; those on it go on. */
  onDraining(): void;
  /** The connection broke, or could not be made. Called for each attempt. */
  onLost(reason: string): void;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

const reconnectPolicy: BackoffPolicy = { initialMs: 50, maxMs: 1000 };
const connectLimitMs = 3000;
/** Gitaly closes a connection with more than a few pings that follow within 10 s. */
const pingIntervalMs = 11_000;
const pingLimitMs = 4000;

/**
 * The connection to one Gitaly: the `backchannel` magic, yamux, and HTTP/2 on its first stream. It
 * is made again whenever it breaks, until it is stopped, and also when the storage takes no more
 * calls on it: those that run there go on beside the new one.
 */
export class StorageConnection implements Stoppable {
  readonly #options: StorageConnectionOptions;
  readonly #stopping = new AbortController();
  #session: Http2Session | undefined;
  #mux: YamuxSession | undefined;
  /** Sessions on which the storage takes no more calls, and those that run go on. */
  readonly #draining = new Set<Http2Session>();
  #running: Promise<void> | undefined;

  constructor(options: StorageConnectionOptions) {
    this.#options = options;
  }

  get storage(): string {
    return this.#options.storage;
  }

  /** The session to send calls on, or undefined while there is none. */
  get session(): Http2Session | undefined {
    return this.#session?.state === 'open' ? this.#session : undefined;
  }

  /** Calls of this proxy that run there. */
  get outstanding(): number {
    let streams = this.#session?.activeStreams ?? 0;
    for (const session of this.#draining) streams += session.activeStreams;
    return streams;
  }

  /** What has arrived on the current connection, of whatever kind. */
  get receivedBytes(): number {
    return this.#mux?.receivedBytes ?? 0;
  }

  start(): void {
    this.#running ??= this.#connectForever();
  }

  /**
   * Drops the connection and every call on it; a new one is made. For a storage that hangs. One on
   * which it takes no more calls is left: that has a watch of its own.
   */
  drop(reason: string): void {
    this.#session?.destroy(new Error(reason));
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    for (const session of [this.#session, ...this.#draining]) {
      session?.destroy(new Error('the proxy stops'));
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
    const { clock, connect, storage } = this.#options;
    const attempt = new AbortController();
    const abort = () => attempt.abort();
    this.#stopping.signal.addEventListener('abort', abort);
    try {
      const what = `connecting to ${storage}`;
      const transport = await withTimeout(clock, connectLimitMs, what, connect(attempt.signal));
      return await this.#serve(transport);
    } catch (error) {
      attempt.abort();
      return errorMessage(error);
    } finally {
      this.#stopping.signal.removeEventListener('abort', abort);
    }
  }

  #serve(transport: Transport): Promise<string> {
    const { clock, backchannel, onSidechannel, onConnected } = this.#options;
    return new Promise((resolve) => {
      const { http2, mux } = dialBackchannel({
        transport,
        clock,
        onSidechannel,
        onClosed() {
          // The session on its first stream ends with it, and that is what counts.
        },
        onHttp2: (stream) => {
          new Http2Session({
            transport: stream,
            role: 'server',
            clock,
            events: { onRequest: backchannel.onRequest, onClosed() {} },
          }).start();
        },
      });
      let keepalive: Keepalive | undefined;
      const leave = (reason: string) => {
        if (this.#session === session) {
          this.#session = undefined;
          this.#mux = undefined;
        }
        resolve(reason);
      };
      const session: Http2Session = new Http2Session({
        transport: http2,
        role: 'client',
        clock,
        events: {
          onRequest: () => {
            throw new Error('a server does not make requests on a client session');
          },
          onGoAway: () => {
            if (this.#session !== session) return;
            this.#draining.add(session);
            keepalive = this.#watch(session, mux);
            this.#options.onDraining();
            leave('the storage takes no more calls on the connection');
          },
          onClosed: (error) => {
            keepalive?.stop();
            this.#draining.delete(session);
            mux.destroy();
            leave(error?.message ?? 'the storage closed the connection');
          },
        },
      });
      session.start();
      this.#session = session;
      this.#mux = mux;
      onConnected();
    });
  }

  /** No check goes there any more, and the calls that run may be quiet for long. */
  #watch(session: Http2Session, mux: YamuxSession): Keepalive {
    return new Keepalive({
      received: () => mux.receivedBytes,
      ping: (limitMs) => session.ping(limitMs),
      clock: this.#options.clock,
      intervalMs: pingIntervalMs,
      limitMs: pingLimitMs,
      onSilent: () => session.destroy(new Error('the storage shows no sign of life')),
    });
  }
}
