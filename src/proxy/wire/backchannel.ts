import { type Clock, TimeoutError } from '../../base/clock.ts';
import { HandshakeTransport } from './handshake-transport.ts';
import { backchannelMagic, matchMagic, sidechannelMagic } from './magic.ts';
import type { Transport } from './transport.ts';
import { YamuxSession } from './yamux/session.ts';
import type { YamuxStream } from './yamux/stream.ts';

const handshakeTimeoutMs = 10_000;
const sidechannelHeaderBytes = sidechannelMagic.length + 8;
/**
 * What a storage may send ahead on a sidechannel: what waits in sockets has to be in the processor's
 * cache still when it is read, or else several clones at once cost a quarter more. Praefect's default.
 */
const sidechannelWindowBytes = 256 * 1024;

export interface AcceptOptions {
  readonly clock: Clock;
  /** From the connection to the first byte of HTTP/2. Default 10 s. */
  readonly timeoutMs?: number;
  /** See YamuxSessionOptions. */
  readonly maxStreamWindowBytes?: number;
  /**
   * HTTP/2 begins here, not started yet. `mux` is set if the client takes sidechannels; destroy
   * it when the HTTP/2 connection is over, else the socket stays open.
   */
  onHttp2(transport: Transport, mux: YamuxSession | undefined): void;
  /** The connection ended, or was dropped, before HTTP/2 began. */
  onFailed?(error: Error): void;
  /** The session of a multiplexed connection ended after HTTP/2 had begun. */
  onMuxClosed?(error: Error | undefined): void;
}

/**
 * Serves a connection of either kind: plain HTTP/2, or the backchannel magic and yamux, whose first
 * stream is the HTTP/2 connection. Further streams of the client are reset: none has a meaning.
 *
 * 1. Look at the first bytes until they are the magic or cannot become it.
 * 2. Not the magic: hand over everything as HTTP/2.
 * 3. The magic: run yamux over the rest, and hand over the first stream.
 */
export function acceptConnection(transport: Transport, options: AcceptOptions): void {
  const { clock, timeoutMs = handshakeTimeoutMs } = options;
  const connection = new HandshakeTransport(transport);
  const outcome = new AcceptOutcome(connection, options);
  const timer = clock.after(timeoutMs, () =>
    outcome.fail(new TimeoutError(`the first bytes of ${transport.peer}`, timeoutMs)),
  );
  outcome.onSettled(() => timer.cancel());
  connection.begin({
    onBytes() {
      const match = matchMagic(connection.peek(backchannelMagic.length), backchannelMagic);
      if (match === 'undecided') return;
      connection.conclude();
      if (match === 'no') {
        outcome.succeed(connection, undefined);
        return;
      }
      connection.take(backchannelMagic.length);
      acceptMux(connection, options, outcome);
    },
    onGone: (error) => outcome.fail(error),
  });
}

/** The one end of an attempt to accept: HTTP/2 or an error. Whatever comes later is ignored. */
class AcceptOutcome {
  readonly #connection: Transport;
  readonly #options: AcceptOptions;
  #cleanUp: () => void = () => {};
  state: 'pending' | 'succeeded' | 'failed' = 'pending';

  constructor(connection: Transport, options: AcceptOptions) {
    this.#connection = connection;
    this.#options = options;
  }

  onSettled(cleanUp: () => void): void {
    this.#cleanUp = cleanUp;
  }

  succeed(http2: Transport, mux: YamuxSession | undefined): void {
    this.state = 'succeeded';
    this.#cleanUp();
    this.#options.onHttp2(http2, mux);
  }

  fail(error: Error): void {
    if (this.state !== 'pending') return;
    this.state = 'failed';
    this.#cleanUp();
    this.#connection.destroy(error);
    this.#options.onFailed?.(error);
  }
}

function acceptMux(connection: Transport, options: AcceptOptions, outcome: AcceptOutcome): void {
  const { clock, maxStreamWindowBytes } = options;
  const session = new YamuxSession({
    transport: connection,
    role: 'server',
    clock,
    ...(maxStreamWindowBytes === undefined ? {} : { maxStreamWindowBytes }),
    onStream(stream) {
      if (outcome.state === 'pending') outcome.succeed(stream, session);
      else stream.destroy();
    },
    onClosed(error) {
      if (outcome.state === 'succeeded') options.onMuxClosed?.(error);
      else outcome.fail(error ?? new Error(`${connection.peer} opened no stream`));
    },
  });
  session.start();
}

export interface DialOptions {
  /** Connected and not started. */
  readonly transport: Transport;
  readonly clock: Clock;
  /** See YamuxSessionOptions. */
  readonly maxStreamWindowBytes?: number;
  /** For the first bytes of each stream that the server opens. Default 10 s. */
  readonly timeoutMs?: number;
  /** The server opened a sidechannel: answer it, see `answerSidechannel`, or destroy it. */
  onSidechannel(id: bigint, stream: SidechannelStream): void;
  /** The server opened an HTTP/2 connection on which we are the server: Gitaly votes there. */
  onHttp2(stream: Transport): void;
  /** The connection is gone, with all its streams. */
  onClosed(error: Error | undefined): void;
}

/** A yamux stream whose first bytes were exchanged. */
export type SidechannelStream = HandshakeTransport<YamuxStream>;

/** A connection to a Gitaly. */
export interface Backchannel {
  /** For our calls; not started. */
  readonly http2: Transport;
  /** Destroy it to close the connection. */
  readonly mux: YamuxSession;
}

/** Opens the client's end of a multiplexed connection: magic, yamux, stream 1. */
export function dialBackchannel(options: DialOptions): Backchannel {
  const { transport, clock, maxStreamWindowBytes } = options;
  const mux = new YamuxSession({
    transport,
    role: 'client',
    clock,
    ...(maxStreamWindowBytes === undefined ? {} : { maxStreamWindowBytes }),
    maxAcceptedWindowBytes: sidechannelWindowBytes,
    onStream: (stream) => classify(stream, options),
    onClosed: (error) => options.onClosed(error),
  });
  // A new connection has room for so little, unless it is gone already: then it says so itself.
  const magic = Buffer.from(backchannelMagic);
  if (transport.capacity() >= magic.length) transport.write(magic, magic.length);
  mux.start();
  return { mux, http2: mux.open() };
}

/** Waits for the first bytes of a stream that the server opened, and says what it is. */
function classify(inner: YamuxStream, options: DialOptions): void {
  const { clock, timeoutMs = handshakeTimeoutMs } = options;
  const stream: SidechannelStream = new HandshakeTransport(inner);
  const timer = clock.after(timeoutMs, () =>
    stream.destroy(new TimeoutError(`the first bytes of ${inner.peer}`, timeoutMs)),
  );
  stream.begin({
    onBytes() {
      const match = matchMagic(stream.peek(sidechannelMagic.length), sidechannelMagic);
      if (match === 'no') {
        timer.cancel();
        stream.conclude();
        options.onHttp2(stream);
        return;
      }
      const header = stream.peek(sidechannelHeaderBytes);
      if (header.length < sidechannelHeaderBytes) return;
      timer.cancel();
      stream.conclude();
      const id = header.readBigInt64BE(sidechannelMagic.length);
      stream.take(sidechannelHeaderBytes);
      options.onSidechannel(id, stream);
    },
    onGone(error) {
      timer.cancel();
      stream.destroy(error);
    },
  });
}
