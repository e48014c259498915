import { ManualClock } from '../../../../test/support/manual-clock.ts';
import { Decoder } from '../hpack/decoder.ts';
import { Encoder } from '../hpack/encoder.ts';
import { headerField, type HeaderField } from '../hpack/header-field.ts';
import {
  memoryTransportPair,
  TurnQueue,
  type MemoryTransportOptions,
} from '../memory-transport.ts';
import type { Transport } from '../transport.ts';
import { FrameReader, uint32, type FrameSink } from './frame-reader.ts';
import { clientPreface, frameFlags, frameHeaderBytes, frameTypes } from './frames.ts';
import { maxSentFrameBytes } from './frame-writer.ts';
import type { Http2Limits } from './limits.ts';
import { Http2Session, type Http2SessionOptions } from './session.ts';
import type { Role } from './settings.ts';
import type { FlowCredit, Http2Stream, StreamAbort, StreamEvents } from './stream.ts';

/** Name and value of each field. */
export type PlainFields = readonly (readonly [name: string, value: string])[];

export function fieldsOf(plain: PlainFields): HeaderField[] {
  return plain.map(([name, value]) => headerField(name, value));
}

function plainOf(fields: readonly HeaderField[]): PlainFields {
  return fields.map(({ name, value }) => [name, value] as const);
}

export const requestHead: PlainFields = [
  [':method', 'POST'],
  [':scheme', 'http'],
  [':path', '/gitaly.RefService/RefExists'],
  [':authority', 'gitaly'],
  ['content-type', 'application/grpc'],
  ['te', 'trailers'],
];
export const responseHead: PlainFields = [
  [':status', '200'],
  ['content-type', 'application/grpc'],
];
export const okTrailers: PlainFields = [['grpc-status', '0']];

/** Keeps what a stream reports, and uses up what it gets unless it is told not to. */
export class Recorder implements StreamEvents {
  readonly headers: PlainFields[] = [];
  readonly aborts: StreamAbort[] = [];
  stream: Http2Stream | undefined;
  consumes = true;
  ended = false;
  writable = 0;
  /** Called when everything has arrived. */
  onEnd: () => void = () => {};
  readonly #data: Buffer[] = [];

  /** Everything that arrived. */
  get data(): Buffer {
    return Buffer.concat(this.#data);
  }

  onHeaders(fields: readonly HeaderField[], endStream: boolean): void {
    this.#checkOrder();
    this.headers.push(plainOf(fields));
    this.ended = endStream;
    if (endStream) this.onEnd();
  }

  onData(bytes: Buffer, start: number, end: number, endStream: boolean): void {
    this.#checkOrder();
    this.#data.push(Buffer.from(bytes.subarray(start, end)));
    this.ended = endStream;
    if (this.consumes) this.stream?.consumed(end - start);
    if (endStream) this.onEnd();
  }

  onAbort(cause: StreamAbort): void {
    if (this.aborts.length > 0) throw new Error('a second abort');
    this.aborts.push(cause);
  }

  onWritable(): void {
    this.writable += 1;
  }

  #checkOrder(): void {
    if (this.ended || this.aborts.length > 0) throw new Error('an event after the last one');
  }
}

/** A request that a server under test has got. */
class RecordedRequest extends Recorder {
  override readonly stream: Http2Stream;

  constructor(stream: Http2Stream, fields: readonly HeaderField[], endStream: boolean) {
    super();
    this.stream = stream;
    this.onHeaders(fields, endStream);
  }

  /** Answers with one piece of data as soon as the request is complete. */
  reply(data: Buffer): void {
    if (this.ended) this.#reply(data);
    else this.onEnd = () => this.#reply(data);
  }

  #reply(data: Buffer): void {
    this.stream.sendHeaders(fieldsOf(responseHead), false);
    this.stream.sendData(data, 0, data.length, false, undefined);
    this.stream.sendHeaders(fieldsOf(okTrailers), true);
  }
}

interface ReceivedFrame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

/** The other end of a session under test: sends and receives single frames, right or wrong. */
class FramePeer implements FrameSink {
  readonly frames: ReceivedFrame[] = [];
  readonly #transport: Transport;
  readonly #encoder = new Encoder();
  readonly #decoder = new Decoder({
    maxTableBytes: 4096,
    maxListBytes: 1 << 24,
    maxListFields: 10_000,
  });
  readonly #headers = new Map<ReceivedFrame, PlainFields>();
  /** If false, what arrives is not used up, so that the transport fills. */
  isReading = true;
  /** If true, the end of the session's side is not answered. */
  keepsOpen = false;
  hasEnded = false;
  isClosed = false;

  constructor(transport: Transport, peerRole: Role) {
    this.#transport = transport;
    const reader = new FrameReader(this, {
      expectPreface: peerRole === 'client',
      maxFrameBytes: maxSentFrameBytes,
    });
    transport.start({
      onData: (chunk) => {
        reader.read(chunk);
        if (this.isReading) transport.consumed(chunk.length);
      },
      onDrain() {},
      onEnd: () => {
        this.hasEnded = true;
        if (!this.keepsOpen) transport.end();
      },
      onClose: () => {
        this.isClosed = true;
      },
    });
  }

  onFrame(
    bytes: Buffer,
    start: number,
    end: number,
    type: number,
    flags: number,
    streamId: number,
  ): void {
    const payload = Buffer.from(bytes.subarray(start, end));
    const frame = { type, flags, streamId, payload };
    this.frames.push(frame);
    if (type !== frameTypes.headers) return;
    const fields = this.#decoder.decode(payload, 0, payload.length) ?? [];
    this.#headers.set(frame, plainOf(fields));
  }

  /** Sends nothing more. */
  end(): void {
    this.#transport.end();
  }

  raw(bytes: Buffer): this {
    this.#transport.write(Buffer.from(bytes), bytes.length);
    return this;
  }

  preface(): this {
    return this.raw(clientPreface);
  }

  send(type: number, flags: number, streamId: number, payload: Buffer | string = ''): this {
    return this.raw(encodeFrame(type, flags, streamId, bytesOf(payload)));
  }

  settings(...entries: (readonly [id: number, value: number])[]): this {
    const payload = Buffer.concat(entries.map(([id, value]) => bytesOf([id >> 8, id], value)));
    return this.send(frameTypes.settings, 0, 0, payload);
  }

  settingsAck(): this {
    return this.send(frameTypes.settings, frameFlags.ack, 0);
  }

  headers(streamId: number, plain: PlainFields, endStream = false): this {
    const end = endStream ? frameFlags.endStream : 0;
    return this.send(frameTypes.headers, frameFlags.endHeaders | end, streamId, this.block(plain));
  }

  /** A header block that the session can decode, and that is the next one to be sent. */
  block(plain: PlainFields): Buffer {
    const fields = fieldsOf(plain);
    const target = Buffer.alloc(this.#encoder.bound(fields));
    return target.subarray(0, this.#encoder.encode(fields, target, 0));
  }

  data(streamId: number, payload: Buffer | string, endStream = false): this {
    return this.send(frameTypes.data, endStream ? frameFlags.endStream : 0, streamId, payload);
  }

  rstStream(streamId: number, code: number): this {
    return this.send(frameTypes.rstStream, 0, streamId, bytesOf([], code));
  }

  windowUpdate(streamId: number, increment: number): this {
    return this.send(frameTypes.windowUpdate, 0, streamId, bytesOf([], increment));
  }

  goAway(lastStreamId: number, code: number, debugData = ''): this {
    const payload = Buffer.concat([bytesOf([], lastStreamId, code), Buffer.from(debugData)]);
    return this.send(frameTypes.goAway, 0, 0, payload);
  }

  framesOf(type: number, streamId?: number): ReceivedFrame[] {
    return this.frames.filter(
      (frame) => frame.type === type && (streamId ?? frame.streamId) === frame.streamId,
    );
  }

  /** Header lists that arrived on a stream. */
  headersOf(streamId: number): PlainFields[] {
    return this.framesOf(frameTypes.headers, streamId).map(
      (frame) => this.#headers.get(frame) ?? [],
    );
  }

  dataOf(streamId: number): Buffer {
    return Buffer.concat(this.framesOf(frameTypes.data, streamId).map(({ payload }) => payload));
  }

  /** Error codes of the RST_STREAM frames that arrived. */
  resetsOf(streamId: number): number[] {
    return this.framesOf(frameTypes.rstStream, streamId).map(({ payload }) => uint32(payload, 0));
  }

  get goAways(): { lastStreamId: number; code: number; debugData: string }[] {
    return this.framesOf(frameTypes.goAway).map(({ payload }) => ({
      lastStreamId: uint32(payload, 0),
      code: uint32(payload, 4),
      debugData: payload.toString('utf8', 8),
    }));
  }
}

/** Octets, then numbers of 32 bits. */
function bytesOf(first: Buffer | string | readonly number[], ...rest: number[]): Buffer {
  const head = typeof first === 'string' ? Buffer.from(first, 'latin1') : Buffer.from(first);
  const tail = rest.map((value) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value >>> 0);
    return bytes;
  });
  return Buffer.concat([head, ...tail]);
}

export function encodeFrame(
  type: number,
  flags: number,
  streamId: number,
  payload: Buffer,
): Buffer {
  const header = Buffer.alloc(frameHeaderBytes);
  header.writeUIntBE(payload.length, 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(streamId, 5);
  return Buffer.concat([header, payload]);
}

/** How a session has ended; undefined if it has not. */
interface SessionEnd {
  readonly error: Error | undefined;
}

/** A session on one end of a memory transport, and what it reported. */
class SessionHarness {
  readonly session: Http2Session;
  readonly requests: RecordedRequest[] = [];
  readonly goAways: { code: number; debugData: string }[] = [];
  readonly ends: SessionEnd[] = [];
  /** Its room, each time that it may have grown. */
  readonly rooms: number[] = [];
  /** Called with each request after it was recorded. */
  onRequest: (request: RecordedRequest) => void = () => {};

  constructor(options: Omit<Http2SessionOptions, 'events'>) {
    this.session = new Http2Session({
      ...options,
      events: {
        onRequest: (stream, fields, endStream) => {
          const request = new RecordedRequest(stream, fields, endStream);
          this.requests.push(request);
          this.onRequest(request);
          return request;
        },
        onGoAway: (code, debugData) => this.goAways.push({ code, debugData }),
        onRoom: () => this.rooms.push(this.session.room),
        onClosed: (error) => this.ends.push({ error }),
      },
    });
    this.session.start();
  }

  /** Opens a stream that must be possible to open. */
  request(endStream = true, head = requestHead): Recorder & { stream: Http2Stream } {
    const recorder = new Recorder();
    const stream = this.session.request(fieldsOf(head), endStream, recorder);
    if (stream === undefined) throw new Error('no stream can be opened');
    return Object.assign(recorder, { stream });
  }
}

export interface HarnessOptions extends MemoryTransportOptions {
  readonly limits?: Partial<Http2Limits>;
}

/** A session under test whose peer is a {@link FramePeer}; nothing is sent by the peer yet. */
export function sessionWithPeer(role: Role, options: HarnessOptions = {}) {
  const turns = new TurnQueue();
  const clock = new ManualClock();
  const defer = turns.defer;
  const [near, far] = memoryTransportPair({ capacityBytes: 1 << 30, ...options, defer });
  const { limits = {} } = options;
  const harness = new SessionHarness({ transport: near, role, clock, limits, defer });
  const peer = new FramePeer(far, role);
  return { turns, clock, harness, peer, transport: near };
}

/** A session under test whose peer has done the handshake. */
export function connectedSession(
  role: Role,
  options: HarnessOptions & { readonly settings?: (readonly [id: number, value: number])[] } = {},
) {
  const connected = sessionWithPeer(role, options);
  const { peer, turns } = connected;
  if (role === 'server') peer.preface();
  peer.settings(...(options.settings ?? [])).settingsAck();
  turns.run();
  peer.frames.length = 0;
  return connected;
}

/** A client and a server session, joined and ready. */
export function sessionPair(
  options: HarnessOptions & { readonly serverLimits?: Partial<Http2Limits> } = {},
) {
  const turns = new TurnQueue();
  const clock = new ManualClock();
  const defer = turns.defer;
  const [near, far] = memoryTransportPair({ ...options, defer });
  const { limits = {}, serverLimits = limits } = options;
  const client = new SessionHarness({ transport: near, role: 'client', clock, limits, defer });
  const server = new SessionHarness({
    transport: far,
    role: 'server',
    clock,
    limits: serverLimits,
    defer,
  });
  turns.run();
  return { turns, clock, client, server, transports: { client: near, server: far } };
}

/** Counts what it is given back. */
export class Credit implements FlowCredit {
  bytes = 0;
  consumed(bytes: number): void {
    this.bytes += bytes;
  }
}
