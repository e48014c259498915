import type { Decoder } from '../hpack/decoder.ts';
import type { Encoder } from '../hpack/encoder.ts';
import type { HeaderField } from '../hpack/header-field.ts';
import { ActiveStream, type StreamOwner } from './active-stream.ts';
import { ConnectionError, errorCodes } from './errors.ts';
import { checkDependency, frameSizeError, paddingOf, protocolError } from './frame-checks.ts';
import type { FloodGuard } from './flood-guard.ts';
import { uint32, type FrameSink } from './frame-reader.ts';
import type { FrameWriter } from './frame-writer.ts';
import {
  frameFlags,
  frameTypes,
  initialWindowBytes,
  maxStreamId,
  maxWindowBytes,
} from './frames.ts';
import type { HeaderBlocks } from './header-blocks.ts';
import { areTrailers, checkRequest, requestContent, responseKind } from './header-rules.ts';
import type { Http2Limits } from './limits.ts';
import type { Pings } from './pings.ts';
import type { SendFlow } from './send-flow.ts';
import { readSettings } from './settings.ts';
import type { StreamEvents } from './stream.ts';
import type { StreamTable } from './stream-table.ts';

export interface FrameHandlerOptions {
  readonly owner: StreamOwner;
  readonly limits: Http2Limits;
  readonly output: FrameWriter;
  readonly encoder: Encoder;
  readonly decoder: Decoder;
  readonly streams: StreamTable;
  readonly sendFlow: SendFlow;
  readonly guard: FloodGuard;
  readonly pings: Pings;
  readonly blocks: HeaderBlocks;
  onRequest(stream: ActiveStream, fields: readonly HeaderField[], endStream: boolean): StreamEvents;
  /** SETTINGS of the peer have arrived, and apply. */
  onSettings(): void;
  onGoAway(lastStreamId: number, code: number, debugData: string): void;
}

/** Debug data beyond this is not looked at. */
const maxDebugBytes = 1024;
/** Updates of fewer bytes are a frame that carries nothing. */
const smallUpdateBytes = 1024;

/**
 * Does what each frame of the peer asks for: RFC 9113 section 6. What the protocol or a limit
 * forbids throws a ConnectionError, or ends the stream if it harms no other.
 */
export class FrameHandler implements FrameSink {
  readonly #options: FrameHandlerOptions;
  readonly #isServer: boolean;
  readonly #blocks: HeaderBlocks;
  #hasSettings = false;
  /** How many bytes arrived that the peer has not got back. */
  #uncredited = 0;
  #receiveWindow: number;

  constructor(options: FrameHandlerOptions) {
    this.#options = options;
    this.#isServer = options.owner.role === 'server';
    this.#blocks = options.blocks;
    this.#receiveWindow = Math.max(initialWindowBytes, options.limits.connectionWindowBytes);
  }

  /** What the peer must be given at the start, so that the connection has the window of the limits. */
  get initialConnectionUpdate(): number {
    return this.#receiveWindow - initialWindowBytes;
  }

  onFrame(
    bytes: Buffer,
    start: number,
    end: number,
    type: number,
    flags: number,
    streamId: number,
  ): void {
    if (this.#blocks.isOpen && type !== frameTypes.continuation) {
      throw protocolError('a header block is interrupted by another frame');
    }
    if (!this.#hasSettings && type !== frameTypes.settings) {
      throw protocolError('the first frame is not SETTINGS');
    }
    switch (type) {
      case frameTypes.data:
        this.#onData(bytes, start, end, flags, streamId);
        break;
      case frameTypes.headers:
        this.#onHeaders(bytes, start, end, flags, streamId);
        break;
      case frameTypes.priority:
        this.#onPriority(bytes, start, end, streamId);
        break;
      case frameTypes.rstStream:
        this.#onRstStream(bytes, start, end, streamId);
        break;
      case frameTypes.settings:
        this.#onSettings(bytes, start, end, flags, streamId);
        break;
      case frameTypes.pushPromise:
        throw protocolError('PUSH_PROMISE is not allowed');
      case frameTypes.ping:
        this.#onPing(bytes, start, end, flags, streamId);
        break;
      case frameTypes.goAway:
        this.#onGoAway(bytes, start, end, streamId);
        break;
      case frameTypes.windowUpdate:
        this.#onWindowUpdate(bytes, start, end, streamId);
        break;
      case frameTypes.continuation:
        this.#onContinuation(bytes, start, end, flags, streamId);
        break;
      default:
        this.#options.guard.onControlFrame();
    }
  }

  #onData(bytes: Buffer, start: number, end: number, flags: number, streamId: number): void {
    const { guard, streams } = this.#options;
    const frameBytes = end - start;
    this.#takeFromConnection(frameBytes);
    const paddingBytes = paddingOf(bytes, start, end, flags);
    const from = (flags & frameFlags.padded) === 0 ? start : start + 1;
    const to = from + frameBytes - paddingBytes;
    const endStream = (flags & frameFlags.endStream) !== 0;
    if (from < to) guard.onPayload();
    else if (!endStream) guard.onControlFrame();

    const stream = streams.get(streamId);
    if (stream === undefined) this.#onClosedStream(streamId, 'DATA');
    else if (stream.remoteEnded) this.#streamError(streamId, errorCodes.streamClosed);
    else if (!stream.takeFromWindow(frameBytes, paddingBytes)) {
      this.#streamError(streamId, errorCodes.flowControlError);
    } else if (stream.awaitsHead || !stream.takeFromContent(to - from, endStream)) {
      this.#streamError(streamId, errorCodes.protocolError);
    } else stream.onData(bytes, from, to, endStream);
  }

  /** The connection's window is given back as data arrives: see `connectionWindowBytes`. */
  #takeFromConnection(bytes: number): void {
    this.#receiveWindow -= bytes;
    if (this.#receiveWindow < 0) {
      throw new ConnectionError(errorCodes.flowControlError, 'DATA beyond the connection window');
    }
    this.#uncredited += bytes;
    if (this.#uncredited < this.#receiveWindow) return;
    this.#options.output.windowUpdate(0, this.#uncredited);
    this.#receiveWindow += this.#uncredited;
    this.#uncredited = 0;
  }

  #onHeaders(bytes: Buffer, start: number, end: number, flags: number, streamId: number): void {
    if (streamId === 0) throw protocolError('HEADERS on stream 0');
    const paddingBytes = paddingOf(bytes, start, end, flags);
    let from = (flags & frameFlags.padded) === 0 ? start : start + 1;
    const to = from + (end - start) - paddingBytes;
    if ((flags & frameFlags.priority) !== 0) {
      if (to - from < 5) throw frameSizeError('HEADERS');
      checkDependency(bytes, from, streamId);
      from += 5;
    }
    const endStream = (flags & frameFlags.endStream) !== 0;
    if ((flags & frameFlags.endHeaders) === 0) {
      this.#blocks.begin(streamId, endStream, bytes, from, to);
    } else this.#onHeaderBlock(streamId, endStream, bytes, from, to);
  }

  #onContinuation(
    bytes: Buffer,
    start: number,
    end: number,
    flags: number,
    streamId: number,
  ): void {
    const endHeaders = (flags & frameFlags.endHeaders) !== 0;
    const block = this.#blocks.add(streamId, endHeaders, bytes, start, end);
    if (block === undefined) return;
    this.#onHeaderBlock(block.streamId, block.endStream, block.bytes, 0, block.bytes.length);
  }

  #onHeaderBlock(
    streamId: number,
    endStream: boolean,
    bytes: Buffer,
    start: number,
    end: number,
  ): void {
    const { decoder, guard, streams } = this.#options;
    guard.onPayload();
    // Also what is thrown away must be decoded: it changes the table.
    const fields = decoder.decode(bytes, start, end);
    const stream = streams.get(streamId);
    if (stream !== undefined) this.#onMoreHeaders(stream, fields, endStream);
    else if (this.#isServer && streamId > streams.lastRemoteId) {
      this.#onRequest(streamId, fields, endStream);
    } else this.#onClosedStream(streamId, 'HEADERS');
  }

  #onRequest(streamId: number, fields: HeaderField[] | undefined, endStream: boolean): void {
    const { guard, limits, owner, streams } = this.#options;
    if ((streamId & 1) === 0) throw protocolError('a client has opened an even stream');
    streams.takeRemoteId(streamId);
    if (streams.isIgnored(streamId)) return;
    if (streams.size >= limits.maxConcurrentStreams) {
      this.#streamError(streamId, errorCodes.refusedStream);
      return;
    }
    if (fields === undefined) {
      this.#streamError(streamId, errorCodes.enhanceYourCalm);
      return;
    }
    const content = checkRequest(fields);
    if (content === requestContent.malformed || (endStream && content > 0)) {
      this.#streamError(streamId, errorCodes.protocolError);
      return;
    }
    const stream = new ActiveStream(owner, streamId, guard.turnMs);
    stream.onRequestHead(content, endStream);
    streams.add(stream);
    stream.attach(this.#options.onRequest(stream, fields, endStream));
  }

  /** A response's headers, or trailers. */
  #onMoreHeaders(
    stream: ActiveStream,
    fields: HeaderField[] | undefined,
    endStream: boolean,
  ): void {
    if (stream.remoteEnded) {
      this.#streamError(stream.id, errorCodes.streamClosed);
      return;
    }
    if (fields === undefined) {
      this.#streamError(stream.id, errorCodes.enhanceYourCalm);
      return;
    }
    const kind = stream.awaitsHead ? responseKind(fields) : undefined;
    if (kind === 'interim' && !endStream) {
      this.#options.guard.onControlFrame();
      return;
    }
    const isHead = kind === 'final';
    const isEnd = kind === undefined && endStream && areTrailers(fields);
    if (!isHead && !(isEnd && stream.takeFromContent(0, true))) {
      this.#streamError(stream.id, errorCodes.protocolError);
    } else stream.onHeaders(fields, endStream);
  }

  /** Priorities mean nothing to us, RFC 9113 section 5.3.2. */
  #onPriority(bytes: Buffer, start: number, end: number, streamId: number): void {
    this.#options.guard.onControlFrame();
    if (streamId === 0) throw protocolError('PRIORITY on stream 0');
    if (end - start !== 5) throw frameSizeError('PRIORITY');
    checkDependency(bytes, start, streamId);
  }

  #onRstStream(bytes: Buffer, start: number, end: number, streamId: number): void {
    const { guard, streams } = this.#options;
    if (end - start !== 4) throw frameSizeError('RST_STREAM');
    const stream = streams.get(streamId);
    if (stream === undefined) {
      if (streamId === 0 || streams.closedState(streamId) === 'idle') {
        throw protocolError('RST_STREAM on a stream that is not open');
      }
      guard.onControlFrame();
      return;
    }
    stream.onReset(uint32(bytes, start));
    if (this.#isServer) guard.onPeerReset(stream.openedMs);
  }

  #onSettings(bytes: Buffer, start: number, end: number, flags: number, streamId: number): void {
    const { decoder, guard, limits, output } = this.#options;
    if (streamId !== 0) throw protocolError('SETTINGS on a stream');
    if ((flags & frameFlags.ack) !== 0) {
      if (start !== end) throw frameSizeError('SETTINGS');
      if (!this.#hasSettings) throw protocolError('the first frame acknowledges SETTINGS');
      guard.onControlFrame();
      decoder.onSettingsAcknowledged();
      return;
    }
    guard.onSettings();
    const from = this.#isServer ? 'client' : 'server';
    const isFirst = !this.#hasSettings;
    this.#applySettings(
      readSettings(bytes, start, end, { from, maxEntries: limits.maxSettingsEntries }),
      isFirst,
    );
    output.settingsAck();
    // After the acknowledgement: a peer tells by it which window the data has used.
    this.#options.sendFlow.sendWaiting();
    this.#hasSettings = true;
    this.#options.onSettings();
  }

  #applySettings(settings: ReturnType<typeof readSettings>, isFirst: boolean): void {
    const { encoder, output, streams } = this.#options;
    const { headerTableSize, initialWindowSize, maxConcurrentStreams, maxFrameSize } = settings;
    if (headerTableSize !== undefined) encoder.setPeerLimit(headerTableSize);
    if (maxFrameSize !== undefined) output.setPeerMaxFrameBytes(maxFrameSize);
    if (initialWindowSize !== undefined) this.#setStreamWindow(initialWindowSize);
    if (maxConcurrentStreams !== undefined) streams.setPeerMaxStreams(maxConcurrentStreams);
    else if (isFirst) streams.setPeerMaxStreams(Number.POSITIVE_INFINITY);
  }

  /** RFC 9113 section 6.9.2: the windows of all streams change by the difference. */
  #setStreamWindow(bytes: number): void {
    const { sendFlow, streams } = this.#options;
    const change = sendFlow.setStreamWindow(bytes);
    if (change === 0) return;
    for (const stream of streams.all()) {
      stream.sendWindow += change;
      if (stream.sendWindow > maxWindowBytes) {
        throw new ConnectionError(errorCodes.flowControlError, 'a stream window is too large');
      }
      if (stream.hasQueued) sendFlow.addWaiting(stream);
    }
  }

  #onPing(bytes: Buffer, start: number, end: number, flags: number, streamId: number): void {
    const { guard, output, pings } = this.#options;
    if (streamId !== 0) throw protocolError('PING on a stream');
    if (end - start !== 8) throw frameSizeError('PING');
    guard.onControlFrame();
    if ((flags & frameFlags.ack) !== 0) {
      pings.onAck(bytes, start);
      return;
    }
    output.pingAck(bytes, start);
    if (this.#isServer) guard.onClientPing();
  }

  #onGoAway(bytes: Buffer, start: number, end: number, streamId: number): void {
    if (streamId !== 0) throw protocolError('GOAWAY on a stream');
    if (end - start < 8) throw frameSizeError('GOAWAY');
    this.#options.guard.onControlFrame();
    const debugEnd = Math.min(end, start + 8 + maxDebugBytes);
    const debugData = bytes.toString('utf8', start + 8, debugEnd);
    const lastStreamId = uint32(bytes, start) & maxStreamId;
    this.#options.onGoAway(lastStreamId, uint32(bytes, start + 4), debugData);
  }

  #onWindowUpdate(bytes: Buffer, start: number, end: number, streamId: number): void {
    const { guard, sendFlow, streams } = this.#options;
    if (end - start !== 4) throw frameSizeError('WINDOW_UPDATE');
    const increment = uint32(bytes, start) & maxWindowBytes;
    if (increment < smallUpdateBytes) guard.onControlFrame();
    if (streamId === 0) {
      if (increment === 0) throw protocolError('WINDOW_UPDATE by 0');
      sendFlow.growConnection(increment);
      return;
    }
    const stream = streams.get(streamId);
    if (stream === undefined) {
      if (streams.closedState(streamId) === 'idle')
        throw protocolError('WINDOW_UPDATE before HEADERS');
      guard.onControlFrame();
    } else if (increment === 0) this.#streamError(streamId, errorCodes.protocolError);
    else if (!sendFlow.growStream(stream, increment, stream.hasQueued)) {
      this.#streamError(streamId, errorCodes.flowControlError);
    }
  }

  /** A frame that only open streams may have: RFC 9113 section 5.1. */
  #onClosedStream(streamId: number, frame: 'DATA' | 'HEADERS'): void {
    const state = streamId === 0 ? 'idle' : this.#options.streams.closedState(streamId);
    switch (state) {
      case 'idle':
      case 'skipped':
        throw protocolError(`${frame} on a stream that was never opened`);
      case 'givenUp':
        return;
      case 'ended':
        throw new ConnectionError(errorCodes.streamClosed, `${frame} on a closed stream`);
    }
  }

  /** The peer has made an error on a stream: it ends, the connection goes on. */
  #streamError(streamId: number, code: number): void {
    const { guard, output, streams } = this.#options;
    output.rstStream(streamId, code);
    const stream = streams.get(streamId);
    if (stream === undefined) streams.giveUp(streamId);
    else stream.abort({ kind: 'reset', code }, 'givenUp');
    guard.onStreamError();
  }
}
