import type { Clock, Timer } from '../../../base/clock.ts';
import { Decoder } from '../hpack/decoder.ts';
import { Encoder } from '../hpack/encoder.ts';
import type { HeaderField } from '../hpack/header-field.ts';
import type { Transport } from '../transport.ts';
import { ActiveStream, type StreamEnd, type StreamOwner } from './active-stream.ts';
import { asConnectionError, ConnectionError, errorCodes } from './errors.ts';
import { FloodGuard } from './flood-guard.ts';
import { FrameHandler } from './frame-handler.ts';
import { FrameReader } from './frame-reader.ts';
import { FrameWriter } from './frame-writer.ts';
import { HeaderBlocks } from './header-blocks.ts';
import { maxStreamId } from './frames.ts';
import { defaultLimits, type Http2Limits } from './limits.ts';
import { Pings } from './pings.ts';
import { SendFlow } from './send-flow.ts';
import { localSettings, type Role } from './settings.ts';
import type { Http2Stream, StreamAbort, StreamEvents, StreamSession } from './stream.ts';
import { StreamTable } from './stream-table.ts';

export interface Http2SessionOptions {
  readonly transport: Transport;
  readonly role: Role;
  readonly events: SessionEvents;
  readonly clock: Clock;
  /** Default {@link defaultLimits}, field by field. */
  readonly limits?: Partial<Http2Limits>;
  /** Runs a callback at the end of this turn of the event loop. Default setImmediate. */
  readonly defer?: (callback: () => void) => void;
}

/** What the owner of a session is told. */
export interface SessionEvents {
  /** At a server: a request came. Its owner gets everything that follows on the stream. */
  onRequest(stream: Http2Stream, fields: readonly HeaderField[], endStream: boolean): StreamEvents;
  /** The peer takes no more streams. Those that it will not process were aborted before. */
  onGoAway?(code: number, debugData: string): void;
  /**
   * At a client: {@link Http2Session.room} may have grown, since a stream has ended or the server has
   * told its limit. May come from inside a method of a stream.
   */
  onRoom?(): void;
  /**
   * The connection is gone, and all streams were aborted. Called exactly once.
   *
   * @param error undefined if the session had drained, or was not in use when the peer closed it
   */
  onClosed(error: Error | undefined): void;
}

/**
 * How long the answer to a PING may wait for other frames. Peers that ping with their messages get it
 * with what follows; short of that it would be a write of its own for nearly every call.
 */
const postponementMs = 10;

/** How far our own GOAWAY has come. */
type GoAwayState = 'none' | 'announced' | 'final';

/**
 * One HTTP/2 connection for gRPC, at either end: RFC 9113, without push, priorities and CONNECT.
 *
 * Whatever the peer sends, no call throws and no memory grows without bound: what breaks the protocol
 * or a limit ends the stream or the connection, and the owners are told.
 */
export class Http2Session implements StreamSession {
  readonly #options: Http2SessionOptions;
  readonly #limits: Http2Limits;
  readonly #output: FrameWriter;
  readonly #reader: FrameReader;
  readonly #handler: FrameHandler;
  readonly #streams: StreamTable;
  readonly #sendFlow: SendFlow;
  readonly #guard: FloodGuard;
  readonly #pings: Pings;
  readonly #blocks: HeaderBlocks;
  readonly #owner: StreamOwner;
  #goAway: GoAwayState = 'none';
  #peerGoesAway = false;
  #isClosed = false;
  #hasPeerSettings = false;
  #receivedChunks = 0;
  /** Why the session was closed, for `onClosed`. */
  #error: Error | undefined;
  #handshakeTimer: Timer | undefined;
  #lingerTimer: Timer | undefined;

  constructor(options: Http2SessionOptions) {
    const { transport, role, clock, events } = options;
    const limits = { ...defaultLimits, ...options.limits };
    const encoder = new Encoder({ maxTableBytes: limits.maxHeaderTableBytes });
    this.#options = options;
    this.#limits = limits;
    this.#output = new FrameWriter({
      transport,
      encoder,
      defer: options.defer ?? setImmediate,
      postpone: (callback) => clock.after(postponementMs, callback),
      maxOutputBytes: limits.maxOutputBytes,
      onFlushed: () => this.#onFlushed(),
      onOverflow: () => this.#onOverflow(),
    });
    this.#streams = new StreamTable(role);
    this.#sendFlow = new SendFlow({
      output: this.#output,
      maxQueuedBytes: limits.maxQueuedBytes,
      defer: options.defer ?? setImmediate,
    });
    this.#guard = new FloodGuard({
      clock,
      limits,
      dataFramesSent: () => this.#output.dataFrames,
      headerBlocksSent: () => this.#output.headerBlocks,
    });
    this.#pings = new Pings(this.#output, clock);
    this.#blocks = new HeaderBlocks({
      limits,
      clock,
      onLate: () => {
        const message = `a header block was not complete after ${limits.headerBlockTimeoutMs} ms`;
        this.#fail(new ConnectionError(errorCodes.enhanceYourCalm, message));
      },
    });
    this.#owner = {
      role,
      session: this,
      output: this.#output,
      sendFlow: this.#sendFlow,
      streamWindowBytes: limits.streamWindowBytes,
      onStreamClosed: (stream, how) => this.#onStreamClosed(stream, how),
    };
    this.#handler = new FrameHandler({
      owner: this.#owner,
      limits,
      output: this.#output,
      encoder,
      decoder: new Decoder({
        maxTableBytes: limits.maxHeaderTableBytes,
        maxListBytes: limits.maxHeaderListBytes,
        maxListFields: limits.maxHeaderFields,
      }),
      streams: this.#streams,
      sendFlow: this.#sendFlow,
      guard: this.#guard,
      pings: this.#pings,
      blocks: this.#blocks,
      onRequest: (stream, fields, endStream) => events.onRequest(stream, fields, endStream),
      onSettings: () => this.#onSettings(),
      onGoAway: (lastStreamId, code, debugData) => this.#onGoAway(lastStreamId, code, debugData),
    });
    this.#reader = new FrameReader(this.#handler, { expectPreface: role === 'server' });
  }

  /** Where the peer is, for logs. */
  get peer(): string {
    return this.#options.transport.peer;
  }

  /** draining: one side has sent GOAWAY, so no new streams are opened; the others go on. */
  get state(): 'open' | 'draining' | 'closed' {
    if (this.#isClosed) return 'closed';
    const isDraining = this.#peerGoesAway || this.#goAway !== 'none' || this.#streams.isUsedUp;
    return isDraining ? 'draining' : 'open';
  }

  /** Whether frames go out at the end of this turn of the event loop. */
  get isWriting(): boolean {
    return this.#output.isScheduled;
  }

  get activeStreams(): number {
    return this.#streams.size;
  }

  /**
   * At a client: how many more streams the server takes now, maybe Infinity. None before it has told
   * its limit: until then {@link request} goes by a guess.
   */
  get room(): number {
    return this.#hasPeerSettings && this.state === 'open' ? this.#streams.room : 0;
  }

  /** Sends our preface and begins to read. Called once. */
  start(): void {
    const { clock, role, transport } = this.#options;
    if (role === 'client') this.#output.preface();
    this.#output.settings(localSettings(role, this.#limits));
    const update = this.#handler.initialConnectionUpdate;
    if (update > 0) this.#output.windowUpdate(0, update);
    this.#handshakeTimer = clock.after(this.#limits.handshakeTimeoutMs, () => {
      const message = `no SETTINGS within ${this.#limits.handshakeTimeoutMs} ms`;
      this.#fail(new ConnectionError(errorCodes.settingsTimeout, message));
    });
    transport.start({
      onData: (chunk) => this.#onData(chunk),
      onDrain: () => this.#onDrain(),
      onReleased: () => this.#output.reclaim(),
      onEnd: () => this.#onEnd(),
      onClose: (error) => this.#onClose(error),
    });
  }

  /**
   * Opens a stream; clients only. What is sent on it goes out at the end of this turn.
   *
   * @returns undefined if none can be opened now: draining, closed, as many open as the peer allows,
   *   or too much waits to be sent
   */
  request(
    fields: readonly HeaderField[],
    endStream: boolean,
    events: StreamEvents,
  ): Http2Stream | undefined {
    if (this.state !== 'open' || this.#options.role !== 'client') return undefined;
    // What is refused here can be sent elsewhere; an overflow would end every stream.
    if (this.#output.pendingBytes > this.#limits.maxOutputBytes / 2) return undefined;
    const id = this.#streams.takeLocalId();
    if (id === undefined) return undefined;
    const stream = new ActiveStream(this.#owner, id, 0);
    stream.attach(events);
    this.#streams.add(stream);
    stream.sendHeaders(fields, endStream);
    stream.requestEndsAt = this.#output.passedOnBytes + this.#output.pendingBytes;
    return stream;
  }

  /** How many chunks of bytes have arrived: any of them is a sign of life. */
  get receivedChunks(): number {
    return this.#receivedChunks;
  }

  /** Asks the peer for a sign of life. Rejects after `limitMs`, or when the session ends. */
  ping(limitMs: number): Promise<number /* round trip in ms */> {
    return this.#pings.send(limitMs);
  }

  /**
   * Lets the streams that are open finish, then closes the connection. Streams that a client opens
   * before it has heard of it are served too (RFC 9113 section 6.8). May be called more than once.
   *
   * @param code one of `errorCodes`; default NO_ERROR
   */
  goAway(code: number = errorCodes.noError): void {
    if (this.#isClosed || this.#goAway !== 'none') return;
    if (this.#options.role === 'client') {
      this.#sendFinalGoAway(code);
      return;
    }
    this.#goAway = 'announced';
    this.#output.goAway(maxStreamId, code, '');
    const finish = () => this.#guarded(() => this.#sendFinalGoAway(code));
    // The answer to a ping comes after every stream that was opened without knowing.
    this.#pings.send(this.#limits.goAwayGraceMs).then(finish, finish);
  }

  /** Drops the connection at once. */
  destroy(error?: Error): void {
    if (this.#isClosed) {
      this.#options.transport.destroy(error);
      return;
    }
    this.#close(error, error ?? new Error('the session was destroyed'));
    this.#output.close();
    this.#options.transport.destroy(error);
  }

  #onData(chunk: Buffer): void {
    this.#receivedChunks += 1;
    this.#guarded(() => {
      this.#guard.beginTurn();
      this.#reader.read(chunk);
    });
    this.#options.transport.consumed(chunk.length);
  }

  #onDrain(): void {
    this.#guarded(() => {
      this.#output.flush();
      this.#sendFlow.sendWaiting();
    });
  }

  #onEnd(): void {
    if (this.#isClosed) return;
    const isInUse = this.activeStreams > 0 || this.#reader.isInsideFrame;
    const error = new Error('the peer closed the connection');
    this.#shutDown(isInUse ? error : undefined, error);
  }

  #onClose(error: Error | undefined): void {
    const lost = error ?? new Error('the connection was lost');
    const isInUse = this.activeStreams > 0 || this.#reader.isInsideFrame;
    if (!this.#isClosed) this.#close(isInUse ? lost : error, lost);
    this.#output.close();
    this.#lingerTimer?.cancel();
    this.#options.events.onClosed(this.#error);
  }

  #onOverflow(): void {
    const error = new ConnectionError(
      errorCodes.enhanceYourCalm,
      'the peer does not read what it asked for',
    );
    // No GOAWAY: it would wait behind what is not read.
    this.destroy(error);
  }

  #onStreamClosed(stream: ActiveStream, how: StreamEnd): void {
    this.#streams.remove(stream.id, how === 'givenUp');
    if (how === 'inOrder') this.#guard.onOrderlyEnd();
    this.#closeIfDrained();
    this.#options.events.onRoom?.();
  }

  #onSettings(): void {
    this.#hasPeerSettings = true;
    this.#handshakeTimer?.cancel();
    this.#options.events.onRoom?.();
  }

  #onGoAway(lastStreamId: number, code: number, debugData: string): void {
    this.#peerGoesAway = true;
    // A client's GOAWAY speaks of streams that we open: none.
    if (this.#options.role === 'client') {
      this.#streams.abortAbove(lastStreamId, () => ({ kind: 'refused' }));
    }
    this.#options.events.onGoAway?.(code, debugData);
    this.#closeIfDrained();
  }

  #sendFinalGoAway(code: number): void {
    if (this.#isClosed) return;
    this.#goAway = 'final';
    const lastStreamId = this.#streams.lastAcceptedId;
    this.#streams.acceptUpTo(lastStreamId);
    this.#output.goAway(lastStreamId, code, '');
    this.#closeIfDrained();
  }

  #closeIfDrained(): void {
    if (this.#isClosed || this.activeStreams > 0) return;
    const isClient = this.#options.role === 'client';
    if (this.#goAway === 'final' || (isClient && this.#peerGoesAway)) {
      this.#shutDown(undefined, new Error('the session has drained'));
    }
  }

  /** Runs what the peer has caused; an error ends the connection. */
  #guarded(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#fail(asConnectionError(error));
    }
  }

  /** Tells the peer what is wrong, and closes. */
  #fail(error: ConnectionError): void {
    if (this.#isClosed) {
      this.#error ??= error;
      return;
    }
    this.#output.goAway(this.#streams.lastAcceptedId, error.code, error.message);
    this.#shutDown(error, error);
  }

  /** Closes after everything that was written has gone out, within the limit for that. */
  #shutDown(error: Error | undefined, streamError: Error): void {
    this.#close(error, streamError);
    this.#lingerTimer = this.#options.clock.after(this.#limits.lingerMs, () => {
      this.#options.transport.destroy();
    });
    this.#output.flush();
  }

  #onFlushed(): void {
    if (this.#isClosed) this.#options.transport.end();
  }

  /** Ends all that goes on in the session; the transport is left open. */
  #close(error: Error | undefined, streamError: Error): void {
    this.#isClosed = true;
    this.#error = error;
    this.#handshakeTimer?.cancel();
    this.#blocks.drop();
    this.#reader.stop();
    this.#pings.close(streamError);
    this.#streams.abortAbove(0, (stream) => this.#lossOf(stream, streamError));
  }

  #lossOf(stream: ActiveStream, error: Error): StreamAbort {
    const neverSent = stream.requestEndsAt > this.#output.passedOnBytes;
    return neverSent ? { kind: 'refused' } : { kind: 'connectionLost', error };
  }
}
