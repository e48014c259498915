import type { HeaderField } from '../hpack/header-field.ts';
import { errorCodes } from './errors.ts';
import type { FrameWriter } from './frame-writer.ts';
import { initialWindowBytes } from './frames.ts';
import type { SendFlow, Sender } from './send-flow.ts';
import { SendQueue } from './send-queue.ts';
import type { Role } from './settings.ts';
import type {
  FlowCredit,
  Http2Stream,
  StreamAbort,
  StreamEvents,
  StreamSession,
} from './stream.ts';

/** What a stream needs of its session. */
export interface StreamOwner {
  readonly role: Role;
  readonly session: StreamSession;
  readonly output: FrameWriter;
  readonly sendFlow: SendFlow;
  readonly streamWindowBytes: number;
  /** The stream is closed. Called once. */
  onStreamClosed(stream: ActiveStream, how: StreamEnd): void;
}

/** How a stream was closed: both have ended it, or one side has given it up. */
export type StreamEnd = 'inOrder' | 'resetByPeer' | 'givenUp';

/** How far the peer's message has come. */
type RemoteState = 'beforeHead' | 'afterHead' | 'ended';

/** A stream that is open, at either role. The methods beyond {@link Http2Stream} are the session's. */
export class ActiveStream implements Http2Stream, Sender {
  readonly id: number;
  /** When it was opened, by the session's clock. */
  readonly openedMs: number;
  sendWindow: number;
  /** Position in the output after the request's headers; at a server 0. */
  requestEndsAt = 0;
  readonly #owner: StreamOwner;
  #events: StreamEvents | undefined;
  #abortBeforeEvents: StreamAbort | undefined;
  #closed = false;
  #localEnded = false;
  #remote: RemoteState = 'beforeHead';
  #queue: SendQueue | undefined;
  #queuedTrailers: readonly HeaderField[] | undefined;
  /** How many bytes the peer may still send. A peer that has not read our SETTINGS goes by this. */
  #receiveWindow = initialWindowBytes;
  /** How many bytes it may send before they are used up. */
  #windowBytes: number;
  /** Of the window: arrived, and not used up yet. */
  #unconsumed = 0;
  /** Of the window: used up, and the peer does not know yet. */
  #uncredited = 0;
  /** How much of the announced content is missing; -1 if nothing was announced. */
  #missingContent = -1;

  constructor(owner: StreamOwner, id: number, openedMs: number) {
    this.#owner = owner;
    this.id = id;
    this.openedMs = openedMs;
    this.sendWindow = owner.sendFlow.streamWindow;
    this.#windowBytes = Math.min(initialWindowBytes, owner.streamWindowBytes);
  }

  get session(): StreamSession {
    return this.#owner.session;
  }

  get closed(): boolean {
    return this.#closed;
  }

  get localEnded(): boolean {
    return this.#localEnded;
  }

  get remoteEnded(): boolean {
    return this.#remote === 'ended';
  }

  get queuedBytes(): number {
    return this.#queue?.bytes ?? 0;
  }

  /** Whether something waits to be sent. */
  get hasQueued(): boolean {
    return this.#queue !== undefined;
  }

  /** Whether the response's final headers have not arrived. */
  get awaitsHead(): boolean {
    return this.#remote === 'beforeHead';
  }

  sendHeaders(fields: readonly HeaderField[], endStream: boolean): void {
    if (this.#closed || this.#localEnded) return;
    // Headers behind data are trailers, and always the end.
    this.#localEnded = endStream || this.#queue !== undefined;
    if (this.#queue !== undefined) {
      this.#queuedTrailers = fields;
      return;
    }
    this.#owner.output.headers(this.id, fields, endStream);
    if (endStream) this.#onEndSent();
  }

  sendData(
    bytes: Buffer,
    start: number,
    end: number,
    endStream: boolean,
    source: FlowCredit | undefined,
  ): void {
    if (this.#closed || this.#localEnded) {
      source?.consumed(end - start);
      return;
    }
    if (endStream) this.#localEnded = true;
    const { sendFlow } = this.#owner;
    const sent = this.#queue === undefined ? sendFlow.send(this, bytes, start, end, endStream) : 0;
    if (start + sent < end) this.#enqueue(bytes, start + sent, end, source);
    if (endStream && this.#queue === undefined) this.#onEndSent();
    if (sent > 0) source?.consumed(sent);
  }

  consumed(bytes: number): void {
    if (this.#closed || this.#remote === 'ended') return;
    const credit = Math.min(bytes, this.#unconsumed);
    this.#unconsumed -= credit;
    this.#uncredited += credit;
    const { streamWindowBytes, output } = this.#owner;
    if (this.#uncredited < this.#windowBytes / 2) return;
    // What is used up is worth a larger window; who does not read is not given more to keep.
    const grown = Math.min(2 * this.#windowBytes, streamWindowBytes);
    const increment = this.#uncredited + grown - this.#windowBytes;
    output.windowUpdate(this.id, increment);
    this.#receiveWindow += increment;
    this.#windowBytes = grown;
    this.#uncredited = 0;
  }

  reset(code: number): void {
    if (this.#closed) return;
    const isServer = this.#owner.role === 'server';
    // The response is queued: what comes after it is given up when it has been sent.
    if (code === errorCodes.noError && isServer && this.#localEnded) return;
    this.#owner.output.rstStream(this.id, code);
    this.#close('givenUp');
  }

  /** The owner of a request is known. */
  attach(events: StreamEvents): void {
    this.#events = events;
    if (this.#abortBeforeEvents !== undefined) events.onAbort(this.#abortBeforeEvents);
  }

  /** The request has arrived as far as its headers; so much content is to follow, -1 if any. */
  onRequestHead(contentLength: number, endStream: boolean): void {
    this.#remote = endStream ? 'ended' : 'afterHead';
    this.#missingContent = contentLength;
  }

  /** Passes on a response's head, or trailers of either side. */
  onHeaders(fields: readonly HeaderField[], endStream: boolean): void {
    this.#remote = endStream ? 'ended' : 'afterHead';
    this.#events?.onHeaders(fields, endStream);
    if (endStream) this.#onRemoteEnd();
  }

  /** A DATA frame has arrived. Returns false if it goes beyond the window. */
  takeFromWindow(frameBytes: number, paddingBytes: number): boolean {
    this.#receiveWindow -= frameBytes;
    this.#unconsumed += frameBytes;
    if (paddingBytes > 0) this.consumed(paddingBytes);
    return this.#receiveWindow >= 0;
  }

  /** Whether the announced content has as many bytes left, or ends with them. */
  takeFromContent(bytes: number, endStream: boolean): boolean {
    if (this.#missingContent < 0) return true;
    this.#missingContent -= bytes;
    return endStream ? this.#missingContent === 0 : this.#missingContent >= 0;
  }

  /** Passes on `bytes[start, end)`. */
  onData(bytes: Buffer, start: number, end: number, endStream: boolean): void {
    if (endStream) this.#remote = 'ended';
    this.#events?.onData(bytes, start, end, endStream);
    if (endStream) this.#onRemoteEnd();
  }

  /** The peer has reset the stream. */
  onReset(code: number): void {
    const isRefused = code === errorCodes.refusedStream && this.#owner.role === 'client';
    this.abort(isRefused ? { kind: 'refused' } : { kind: 'reset', code }, 'resetByPeer');
  }

  /** Ends the stream out of order. */
  abort(cause: StreamAbort, how: StreamEnd): void {
    if (this.#closed) return;
    this.#close(how);
    if (this.#events === undefined) this.#abortBeforeEvents = cause;
    else this.#events.onAbort(cause);
  }

  sendQueued(maxBytes: number): void {
    const queue = this.#queue;
    if (queue === undefined) return;
    let rest = maxBytes;
    for (let piece = queue.head; piece !== undefined && rest > 0; piece = queue.head) {
      const end = Math.min(piece.end, piece.start + rest);
      const isLast = end - piece.start === queue.bytes && this.#queuedTrailers === undefined;
      const { bytes, start, source } = piece;
      const endStream = isLast && this.#localEnded;
      const sent = this.#owner.sendFlow.send(this, bytes, start, end, endStream);
      if (sent === 0) break;
      rest -= sent;
      queue.shift(sent);
      this.#owner.sendFlow.removeQueued(this, sent);
      source?.consumed(sent);
    }
    if (queue.bytes > 0) this.#owner.sendFlow.addWaiting(this);
    else this.#onQueueSent();
  }

  /** Ends the stream, because more waits on the connection than is allowed. */
  giveUp(): void {
    if (this.#closed) return;
    this.#owner.output.rstStream(this.id, errorCodes.enhanceYourCalm);
    this.abort({ kind: 'reset', code: errorCodes.enhanceYourCalm }, 'givenUp');
  }

  #enqueue(bytes: Buffer, start: number, end: number, source: FlowCredit | undefined): void {
    this.#queue ??= new SendQueue();
    this.#queue.push(bytes, start, end, source);
    this.#owner.sendFlow.addQueued(this, end - start);
    this.#owner.sendFlow.addWaiting(this);
  }

  #onQueueSent(): void {
    if (this.#closed) return;
    this.#queue = undefined;
    this.#owner.sendFlow.forget(this, 0);
    if (this.#queuedTrailers !== undefined) {
      this.#owner.output.headers(this.id, this.#queuedTrailers, true);
    }
    if (this.#localEnded) this.#onEndSent();
    else this.#events?.onWritable?.();
  }

  #onEndSent(): void {
    if (this.#remote === 'ended') this.#close('inOrder');
    else if (this.#owner.role === 'server') this.#giveUpRest();
  }

  #onRemoteEnd(): void {
    if (this.#closed) return;
    if (this.#localEnded && this.#queue === undefined) this.#close('inOrder');
    else if (this.#owner.role === 'client') this.#giveUpRest();
  }

  /** The response is complete, so nothing more of the request is of use. */
  #giveUpRest(): void {
    this.#owner.output.rstStream(this.id, errorCodes.noError);
    this.#close('givenUp');
  }

  #close(how: StreamEnd): void {
    this.#closed = true;
    const queue = this.#queue;
    this.#owner.sendFlow.forget(this, queue?.bytes ?? 0);
    this.#owner.onStreamClosed(this, how);
    queue?.clear();
    this.#queue = undefined;
  }
}
