import type { Clock, Timer } from '../../../base/clock.ts';
import type { Transport } from '../transport.ts';
import { EventRate } from './event-rate.ts';
import {
  frameFlag,
  FrameReader,
  frameType,
  goAwayCode,
  type GoAwayCode,
  initialWindowBytes,
  maxUint32,
  YamuxProtocolError,
} from './frames.ts';
import { FrameOutput } from './output.ts';
import { Pings } from './pings.ts';
import { type StreamHost, YamuxStream } from './stream.ts';

export interface YamuxSessionOptions {
  readonly transport: Transport;
  /** Clients open odd streams, servers even ones. */
  readonly role: 'client' | 'server';
  readonly clock: Clock;
  /** What the peer may send on a stream ahead of us: the memory of a stream. Default 1 MiB. */
  readonly maxStreamWindowBytes?: number;
  /** The same for streams that the peer opens. Default: as `maxStreamWindowBytes`. */
  readonly maxAcceptedWindowBytes?: number;
  /** At most so many openings wait for the peer's acknowledgement; more queue up. Default 256. */
  readonly acceptBacklog?: number;
  /** Streams that each side may have open at once. The peer's further ones are reset. Default 4096. */
  readonly maxStreams?: number;
  /** An opening that is not acknowledged in this time ends the session. Default 75 s. */
  readonly openTimeoutMs?: number;
  /** The half of a stream that stays open may be silent for so long. Default 5 min. */
  readonly streamCloseTimeoutMs?: number;
  /** The transport may take nothing for so long while something waits. Default 30 s. */
  readonly writeTimeoutMs?: number;
  /** The peer opened a stream. It is acknowledged already; start it, or destroy it. */
  onStream(stream: YamuxStream): void;
  /** The session and all its streams are gone. Called once, and last. */
  onClosed(error: Error | undefined): void;
}

const defaultWindowBytes = 1024 * 1024;
/** After a GoAway for a violation, so long may the transport take to deliver it. */
const lingerMs = 1000;
const maxOpeningsPerSecond = 10_000;

/** Idle until started; draining after a GoAway from us; failing while a last GoAway is sent. */
type State = 'idle' | 'open' | 'draining' | 'failing' | 'closed';

/**
 * Many streams over one connection, compatible with hashicorp/yamux.
 *
 * - An opening by the peer is acknowledged at once: Go's servers open one stream at a time.
 * - A peer that breaks the protocol, or floods us, gets GoAway 1 and is dropped.
 * - Frames of one turn leave in one write.
 * - Memory: per stream one window, per session half a MiB of output.
 */
export class YamuxSession {
  readonly peer: string;
  readonly #options: YamuxSessionOptions;
  readonly #maxWindowBytes: number;
  readonly #maxAcceptedWindowBytes: number;
  readonly #maxStreams: number;
  readonly #streams = new Map<number, YamuxStream>();
  /** Openings of ours that the peer has not acknowledged yet, with their limit. */
  readonly #unacknowledged = new Map<number, Timer>();
  /** Openings of ours that wait for one of those. */
  readonly #queued = new Set<YamuxStream>();
  /** Streams that write again when the output has room. */
  readonly #waiting = new Set<YamuxStream>();
  readonly #reader: FrameReader;
  readonly #output: FrameOutput;
  readonly #pings: Pings;
  readonly #openings: EventRate;
  readonly #host: StreamHost;
  #state: State = 'idle';
  #nextId: number;
  #peerStreams = 0;
  #peerIsGoing = false;
  /** Where the payload of the current data frame goes, if that stream still exists. */
  #receiving: YamuxStream | undefined;
  #endsAfterPayload = false;
  #failure: Error | undefined;
  #receivedBytes = 0;
  #timer: Timer | undefined;

  constructor(options: YamuxSessionOptions) {
    const { transport, clock, maxStreamWindowBytes = defaultWindowBytes } = options;
    const { maxAcceptedWindowBytes = maxStreamWindowBytes } = options;
    for (const bytes of [maxStreamWindowBytes, maxAcceptedWindowBytes]) {
      if (bytes >= initialWindowBytes && bytes <= maxUint32) continue;
      throw new RangeError(`a window has to be of ${initialWindowBytes} bytes or more`);
    }
    this.#options = options;
    this.peer = transport.peer;
    this.#maxWindowBytes = maxStreamWindowBytes;
    this.#maxAcceptedWindowBytes = maxAcceptedWindowBytes;
    this.#maxStreams = options.maxStreams ?? 4096;
    this.#nextId = options.role === 'client' ? 1 : 2;
    this.#openings = new EventRate(clock, maxOpeningsPerSecond, 1000);
    this.#host = this.#createHost();
    this.#reader = new FrameReader({
      onHeader: (type, flags, streamId, length) => this.#onHeader(type, flags, streamId, length),
      onPayload: (chunk, isLast) => this.#onPayload(chunk, isLast),
    });
    this.#output = new FrameOutput({
      transport,
      onFlushed: () => this.#onFlushed(),
      onOverflow: () => this.destroy(new Error('yamux: the peer does not read our answers')),
    });
    this.#pings = new Pings(this.#output, clock);
  }

  /** True from the moment that no stream of this session can work any more. */
  get closed(): boolean {
    return this.#state === 'failing' || this.#state === 'closed';
  }

  /** Streams of both sides that are not closed. */
  get streamCount(): number {
    return this.#streams.size;
  }

  /** What has arrived on the connection so far: while it grows, the peer is alive. */
  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  /** Begins. `initial` holds bytes that were read from the transport before. Called once. */
  start(initial?: Buffer): void {
    if (this.#state !== 'idle') throw new Error('this yamux session was started already');
    this.#state = 'open';
    if (initial !== undefined) this.#read(initial);
    this.#options.transport.start({
      onData: (chunk) => {
        this.#read(chunk);
        this.#options.transport.consumed(chunk.length);
      },
      onDrain: () => this.#onTransportDrain(),
      onReleased: () => this.#output.reclaim(),
      onEnd: () => this.#onTransportEnd(),
      onClose: (error) => this.#onTransportClose(error),
    });
  }

  /**
   * Opens a stream. It has capacity as soon as fewer than `acceptBacklog` openings are
   * unacknowledged. If it cannot be opened at all, it closes with an error when it is started.
   */
  open(): YamuxStream {
    const id = this.#nextId;
    const windowBytes = this.#maxWindowBytes;
    const stream = new YamuxStream(this.#host, { id, windowBytes, isOpen: false });
    const refusal = this.#openingRefusal();
    if (refusal !== undefined) {
      stream.close(new Error(`yamux: ${refusal}`));
      return stream;
    }
    this.#nextId += 2;
    this.#streams.set(stream.id, stream);
    this.#queued.add(stream);
    this.#openQueued();
    return stream;
  }

  /** See {@link Pings.send}. */
  ping(limitMs: number): Promise<void> {
    return this.#pings.send(limitMs);
  }

  /** Tells the peer to open no more streams; those that exist go on. */
  goAway(): void {
    if (this.#state !== 'open') return;
    this.#state = 'draining';
    this.#output.control(frameType.goAway, 0, 0, goAwayCode.normal);
  }

  /** Drops the connection and all streams at once. */
  destroy(error?: Error): void {
    if (this.#state === 'closed') return;
    const wasIdle = this.#state === 'idle';
    this.#stopWork('closed', error);
    this.#output.close();
    this.#options.transport.destroy(error);
    // A transport that was never started reports nothing.
    if (wasIdle) queueMicrotask(() => this.#options.onClosed(error));
  }

  #createHost(): StreamHost {
    return {
      peer: this.peer,
      clock: this.#options.clock,
      streamCloseTimeoutMs: this.#options.streamCloseTimeoutMs ?? 300_000,
      room: () => this.#output.room(),
      sendData: (streamId, bytes, length) => this.#output.data(streamId, bytes, length),
      sendWindowUpdate: (streamId, flags, delta) =>
        this.#output.control(frameType.windowUpdate, flags, streamId, delta),
      awaitRoom: (stream) => this.#waiting.add(stream),
      forget: (stream) => this.#forget(stream),
    };
  }

  #read(chunk: Buffer): void {
    this.#receivedBytes += chunk.length;
    if (this.closed) return;
    try {
      this.#reader.push(chunk);
    } catch (error) {
      if (!(error instanceof YamuxProtocolError)) throw error;
      this.#fail(goAwayCode.protocolError, error);
    }
  }

  #onHeader(type: number, flags: number, streamId: number, length: number): void {
    switch (type) {
      case frameType.data:
      case frameType.windowUpdate:
        this.#onStreamFrame(type, flags, streamId, length);
        break;
      case frameType.ping:
        this.#pings.onFrame(flags, length);
        break;
      case frameType.goAway:
        this.#onGoAway(length);
        break;
      default:
        throw new YamuxProtocolError(`unknown frame type ${type}`);
    }
  }

  /** The order matters: an opening, then its acknowledgement, reset, window or data, and end. */
  #onStreamFrame(type: number, flags: number, streamId: number, length: number): void {
    const isData = type === frameType.data;
    const delta = isData ? 0 : length;
    if ((flags & frameFlag.syn) !== 0) this.#accept(streamId, delta);
    if ((flags & frameFlag.ack) !== 0) this.#acknowledge(streamId);
    if ((flags & frameFlag.rst) !== 0) {
      this.#streams.get(streamId)?.close(new Error('the peer reset the yamux stream'));
    }
    // Frames for streams that are gone are normal: the peer may not know yet.
    const stream = this.#streams.get(streamId);
    if (isData) stream?.announce(length);
    else if ((flags & frameFlag.syn) === 0) stream?.grant(delta);
    this.#receiving = stream;
    this.#endsAfterPayload = (flags & frameFlag.fin) !== 0;
    if (this.#endsAfterPayload && (!isData || length === 0)) stream?.receiveEnd();
  }

  #onPayload(chunk: Buffer, isLast: boolean): void {
    this.#receiving?.receive(chunk);
    if (isLast && this.#endsAfterPayload) this.#receiving?.receiveEnd();
  }

  #accept(streamId: number, delta: number): void {
    const isOurs = streamId % 2 === (this.#options.role === 'client' ? 1 : 0);
    if (streamId === 0 || isOurs) {
      throw new YamuxProtocolError(`the peer opened stream ${streamId}, which is ours to open`);
    }
    if (this.#streams.has(streamId)) {
      throw new YamuxProtocolError(`the peer opened stream ${streamId} twice`);
    }
    if (this.#openings.exceeds()) throw new YamuxProtocolError('the peer floods us with streams');
    if (this.#state !== 'open' || this.#peerStreams >= this.#maxStreams) {
      this.#output.control(frameType.windowUpdate, frameFlag.rst, streamId, 0);
      return;
    }
    const windowBytes = this.#maxAcceptedWindowBytes;
    const stream = new YamuxStream(this.#host, { id: streamId, windowBytes, isOpen: true });
    this.#streams.set(streamId, stream);
    this.#peerStreams += 1;
    stream.grant(delta);
    this.#announceStream(stream, frameFlag.ack);
    this.#options.onStream(stream);
  }

  #onGoAway(code: number): void {
    if (code !== goAwayCode.normal) {
      this.destroy(new Error(`yamux: the peer ended the session with code ${code}`));
      return;
    }
    this.#peerIsGoing = true;
    for (const stream of this.#queued) stream.close(new Error('yamux: the peer is going away'));
  }

  #openingRefusal(): string | undefined {
    if (this.#state === 'idle') return 'the session was not started yet';
    if (this.closed) return 'the session is closed';
    if (this.#peerIsGoing) return 'the peer is going away; use another connection';
    if (this.#streams.size - this.#peerStreams >= this.#maxStreams) return 'too many open streams';
    if (this.#nextId > maxUint32) return 'the stream ids are used up; use another connection';
    return undefined;
  }

  #openQueued(): void {
    const { acceptBacklog = 256, clock, openTimeoutMs = 75_000 } = this.#options;
    for (const stream of this.#queued) {
      if (this.closed || this.#unacknowledged.size >= acceptBacklog) return;
      this.#queued.delete(stream);
      const timer = clock.after(openTimeoutMs, () => {
        this.destroy(new Error('yamux: the peer did not acknowledge a stream in time'));
      });
      this.#unacknowledged.set(stream.id, timer);
      this.#announceStream(stream, frameFlag.syn);
      stream.opened();
    }
  }

  /** Opens or acknowledges, and grants what our window is beyond the initial one. */
  #announceStream({ id, windowBytes }: YamuxStream, flag: number): void {
    this.#output.control(frameType.windowUpdate, flag, id, windowBytes - initialWindowBytes);
  }

  #acknowledge(streamId: number): void {
    this.#unacknowledged.get(streamId)?.cancel();
    if (this.#unacknowledged.delete(streamId)) this.#openQueued();
  }

  #forget(stream: YamuxStream): void {
    this.#waiting.delete(stream);
    this.#queued.delete(stream);
    if (this.#receiving === stream) this.#receiving = undefined;
    if (!this.#streams.delete(stream.id)) return;
    const isOurs = stream.id % 2 === this.#nextId % 2;
    if (!isOurs) this.#peerStreams -= 1;
    this.#acknowledge(stream.id);
  }

  #onFlushed(): void {
    this.#watchOutput();
    if (this.#state === 'failing' && this.#output.pending === 0) this.#options.transport.end();
    if (!this.#output.hasRoom) return;
    for (const stream of Array.from(this.#waiting)) {
      if (this.#output.room() === 0) return;
      this.#waiting.delete(stream);
      stream.onRoom();
    }
  }

  /** Drops a peer whose transport takes nothing for too long. */
  #watchOutput(): void {
    if (this.#state === 'failing' || this.#state === 'closed') return;
    if (this.#output.pending === 0) {
      this.#timer?.cancel();
      this.#timer = undefined;
      return;
    }
    const { clock, writeTimeoutMs = 30_000 } = this.#options;
    this.#timer ??= clock.after(writeTimeoutMs, () => {
      this.destroy(new Error(`yamux: the peer took no data for ${writeTimeoutMs} ms`));
    });
  }

  #onTransportDrain(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#output.flush();
    this.#onFlushed();
  }

  #onTransportEnd(): void {
    const isClean = this.#streams.size === 0 && !this.#reader.isInsideFrame;
    this.destroy(isClean ? this.#failure : new Error('yamux: the peer closed the connection'));
  }

  #onTransportClose(error: Error | undefined): void {
    this.#stopWork('closed', error);
    this.#output.close();
    // After the streams' own reports, which were queued just now.
    queueMicrotask(() => this.#options.onClosed(this.#failure ?? error));
  }

  /** Tells the peer why, and drops the connection when it knows, or after {@link lingerMs}. */
  #fail(code: GoAwayCode, error: Error): void {
    this.#output.control(frameType.goAway, 0, 0, code);
    this.#stopWork('failing', error);
    const { clock, transport } = this.#options;
    this.#timer = clock.after(lingerMs, () => this.destroy(error));
    this.#output.flush();
    if (this.#output.pending === 0) transport.end();
  }

  /** No stream and no byte is served from here on. */
  #stopWork(state: 'failing' | 'closed', error: Error | undefined): void {
    this.#state = state;
    this.#failure ??= error;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#reader.stop();
    this.#receiving = undefined;
    const reason = this.#failure ?? new Error('yamux: the session is closed');
    for (const stream of this.#streams.values()) stream.close(reason);
    this.#pings.close(reason);
  }
}
