import { TimeoutError, withTimeout, type Clock } from '../../base/clock.ts';
import { TurnEnd } from '../../base/turn-end.ts';
import { dialBackchannel, type SidechannelStream } from '../wire/backchannel.ts';
import { Keepalive } from '../wire/http2/keepalive.ts';
import { Http2Session, type SessionEvents } from '../wire/http2/session.ts';
import type { Transport } from '../wire/transport.ts';
import type { YamuxSession } from '../wire/yamux/session.ts';

export interface ConnectionOptions {
  readonly storage: string;
  /** Opens a byte stream to the storage. */
  connect(signal: AbortSignal): Promise<Transport>;
  /** Serves the calls that Gitaly makes on the connection it was called on: its votes. */
  readonly backchannel: Pick<SessionEvents, 'onRequest'>;
  /** Gitaly opens a sidechannel for a call that carried this id. */
  onSidechannel(id: bigint, stream: SidechannelStream): void;
  readonly clock: Clock;
}

export interface StorageSessionEvents {
  /** It may take more calls than before. */
  onRoom(): void;
  /** The storage takes no more calls on it; those that run go on. */
  onDraining(): void;
  /** The connection is gone. */
  onClosed(reason: string): void;
}

const connectLimitMs = 3000;
/** Gitaly closes a connection with more than a few pings that follow within 10 s. */
const pingIntervalMs = 11_000;
const pingLimitMs = 4000;

/**
 * Opens a byte stream to a storage.
 *
 * @throws TimeoutError after 3 s, or what the attempt fails with
 */
export async function dialStorage(
  { storage, connect, clock }: ConnectionOptions,
  stopping: AbortSignal,
): Promise<Transport> {
  const attempt = new AbortController();
  const abort = () => attempt.abort();
  stopping.addEventListener('abort', abort);
  try {
    const what = `connecting to ${storage}`;
    return await withTimeout(clock, connectLimitMs, what, connect(attempt.signal));
  } catch (error) {
    attempt.abort();
    throw error;
  } finally {
    stopping.removeEventListener('abort', abort);
  }
}

/** One connection to one Gitaly: the `backchannel` magic, yamux, and HTTP/2 on its first stream. */
export class StorageSession {
  /** For the calls. */
  readonly http2: Http2Session;
  readonly #mux: YamuxSession;
  readonly #clock: Clock;
  #keepalive: Keepalive | undefined;

  /** Begins at once. */
  constructor(transport: Transport, options: ConnectionOptions, events: StorageSessionEvents) {
    const { clock, backchannel, onSidechannel } = options;
    this.#clock = clock;
    // Calls that go there and answers to its votes make one write.
    const { defer } = new TurnEnd();
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
          defer,
          events: { onRequest: backchannel.onRequest, onClosed() {} },
        }).start();
      },
    });
    this.#mux = mux;
    this.http2 = new Http2Session({
      transport: http2,
      role: 'client',
      clock,
      defer,
      events: {
        onRequest: () => {
          throw new Error('a server does not make requests on a client session');
        },
        onRoom: () => events.onRoom(),
        onGoAway: () => events.onDraining(),
        onClosed: (error) => {
          this.#keepalive?.stop();
          mux.destroy();
          events.onClosed(error?.message ?? 'the storage closed the connection');
        },
      },
    });
    this.http2.start();
  }

  /** What has arrived on the connection, of whatever kind. */
  get receivedBytes(): number {
    return this.#mux.receivedBytes;
  }

  /**
   * Sees to it that nothing which was sent on the connection arrives later than `limitMs` from now: a storage that
   * has not answered a ping by then loses the connection, and what is on its way with it.
   */
  async confirmArrival(limitMs: number): Promise<void> {
    try {
      if (limitMs <= 0) throw new TimeoutError('what was sent', 0);
      await this.#mux.ping(limitMs);
    } catch {
      this.http2.destroy(new Error('what was sent on the connection may arrive too late'));
    }
  }

  /**
   * Ends the connection if the storage shows no sign of life. For one on which no health checks go:
   * the calls there may be quiet for long.
   */
  watch(): void {
    this.#keepalive ??= new Keepalive({
      received: () => this.receivedBytes,
      ping: (limitMs) => this.http2.ping(limitMs),
      clock: this.#clock,
      intervalMs: pingIntervalMs,
      limitMs: pingLimitMs,
      onSilent: () => this.http2.destroy(new Error('the storage shows no sign of life')),
    });
  }
}
