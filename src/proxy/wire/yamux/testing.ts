import { ManualClock } from '../../../../test/support/manual-clock.ts';
import type { Transport, TransportEvents } from '../transport.ts';
import { frameType, writeHeader } from './frames.ts';
import { YamuxSession, type YamuxSessionOptions } from './session.ts';
import type { YamuxStream } from './stream.ts';

/** Two connected transports in memory, for tests. Nothing moves but by {@link MemoryLink.settle}. */
export interface MemoryLink {
  readonly a: Transport;
  readonly b: Transport;
  /** Delivers until nothing moves any more. */
  settle(): Promise<void>;
}

export interface MemoryLinkOptions {
  /** What each side may have written and the other not consumed. Default 65536. */
  readonly capacityBytes?: number;
  /** The size of the next chunk, at least 1. Default: all there is. */
  nextChunk?(): number;
  /** Sees all bytes in the order of delivery. */
  observe?(from: 'a' | 'b', chunk: Buffer): void;
}

export function memoryLink(options: MemoryLinkOptions = {}): MemoryLink {
  const a = new MemoryTransport('a', options);
  const b = new MemoryTransport('b', options);
  a.connect(b);
  b.connect(a);
  return {
    a,
    b,
    async settle() {
      do {
        await turn();
      } while ([a.step(), b.step()].includes(true));
    },
  };
}

/** Lets everything run that is due now, microtasks included. */
export async function turn(): Promise<void> {
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
}

class MemoryTransport implements Transport {
  readonly peer: string;
  readonly #name: 'a' | 'b';
  readonly #options: MemoryLinkOptions;
  #other: MemoryTransport | undefined;
  #events: TransportEvents | undefined;
  #sent: Buffer[] = [];
  /** Written and not consumed by the other side. */
  #outstanding = 0;
  #wantsDrain = false;
  #hasEnded = false;
  #endIsDelivered = false;
  #closed: { readonly error: Error | undefined } | undefined;
  #closeIsReported = false;

  constructor(name: 'a' | 'b', options: MemoryLinkOptions) {
    this.#name = name;
    this.#options = options;
    this.peer = `memory:${name}`;
  }

  connect(other: MemoryTransport): void {
    this.#other = other;
  }

  start(events: TransportEvents): void {
    if (this.#events !== undefined) throw new Error('started twice');
    this.#events = events;
  }

  capacity(): number {
    if (this.#closed !== undefined || this.#hasEnded) return 0;
    const capacity = (this.#options.capacityBytes ?? 65_536) - this.#outstanding;
    if (capacity === 0) this.#wantsDrain = true;
    return capacity;
  }

  write(bytes: Buffer, length: number): boolean {
    if (this.#closed !== undefined) return true;
    if (length > this.capacity()) throw new RangeError('write beyond the capacity');
    this.#sent.push(Buffer.from(bytes.subarray(0, length)));
    this.#outstanding += length;
    return this.#outstanding % 2 === 0 || this.#poison(bytes, length);
  }

  consumed(length: number): void {
    if (this.#other !== undefined) this.#other.#outstanding -= length;
  }

  end(): void {
    this.#hasEnded = true;
  }

  destroy(error?: Error): void {
    this.#closed ??= { error };
    if (this.#other !== undefined) this.#other.#closed ??= { error: undefined };
  }

  /** Moves at most one chunk and reports what is due. @returns true if something happened */
  step(): boolean {
    const events = this.#events;
    if (events === undefined || this.#closeIsReported) return false;
    if (this.#closed !== undefined) {
      this.#closeIsReported = true;
      events.onClose(this.#closed.error);
      return true;
    }
    const moved = this.#deliver();
    if (this.#endIsDelivered && this.#other !== undefined && this.#other.#endIsDelivered) {
      this.#closed = { error: undefined };
      return true;
    }
    if (!this.#wantsDrain || this.capacity() === 0) return moved;
    this.#wantsDrain = false;
    events.onDrain();
    return true;
  }

  #deliver(): boolean {
    const other = this.#other;
    const events = other === undefined ? undefined : other.#events;
    if (events === undefined || this.#endIsDelivered) return false;
    const sent = Buffer.concat(this.#sent);
    if (sent.length > 0) {
      const length = Math.min(sent.length, this.#options.nextChunk?.() ?? sent.length);
      const chunk = Buffer.from(sent.subarray(0, length));
      this.#sent = [sent.subarray(length)];
      this.#options.observe?.(this.#name, chunk);
      events.onData(chunk);
      // Whoever keeps a view of it shows up as corrupt data.
      chunk.fill(0xee);
      return true;
    }
    if (!this.#hasEnded) return false;
    this.#endIsDelivered = true;
    events.onEnd();
    return true;
  }

  /** Takes ownership, visibly. */
  #poison(bytes: Buffer, length: number): false {
    bytes.fill(0xdd, 0, length);
    return false;
  }
}

/** Collects what a transport reports. */
export class Recorder implements TransportEvents {
  readonly #chunks: Buffer[] = [];
  readonly log: string[] = [];
  drains = 0;
  closeError: Error | undefined;

  /** All bytes so far. */
  get bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  onData(chunk: Buffer): void {
    this.#chunks.push(Buffer.from(chunk));
    if (this.log.at(-1) !== 'data') this.log.push('data');
  }

  onDrain(): void {
    this.drains += 1;
  }

  onEnd(): void {
    this.log.push('end');
  }

  onClose(error: Error | undefined): void {
    this.closeError = error;
    this.log.push('close');
  }
}

/** A frame. Without a payload `length` may be anything. */
export function frame(
  type: number,
  flags: number,
  streamId: number,
  length: number,
  payload?: Buffer,
) {
  const header = Buffer.alloc(12);
  writeHeader(header, 0, type, flags, streamId, length);
  return payload === undefined ? header : Buffer.concat([header, payload]);
}

export function dataFrame(streamId: number, payload: Buffer, flags = 0): Buffer {
  return frame(frameType.data, flags, streamId, payload.length, payload);
}

/** A session on one side, bare bytes on the other. */
export function createPeer(
  options: Partial<YamuxSessionOptions> = {},
  linkOptions: MemoryLinkOptions = {},
) {
  const link = memoryLink({ capacityBytes: 8 * 1024 * 1024, ...linkOptions });
  const clock = new ManualClock();
  const accepted: YamuxStream[] = [];
  const closed: (Error | undefined)[] = [];
  const session = new YamuxSession({
    transport: link.a,
    role: 'server',
    clock,
    maxStreamWindowBytes: 262_144,
    onStream: (stream) => accepted.push(stream),
    onClosed: (error) => closed.push(error),
    ...options,
  });
  const wire = new Recorder();
  link.b.start(wire);
  session.start();
  let read = 0;
  return {
    session,
    link,
    clock,
    accepted,
    closed,
    wire,
    /** Sends bytes to the session and returns what came back since the last call, as hex. */
    async send(...frames: readonly Buffer[]): Promise<string> {
      const bytes = Buffer.concat(frames);
      if (bytes.length > 0) link.b.write(bytes, bytes.length);
      await link.settle();
      const answer = wire.bytes.subarray(read).toString('hex');
      read = wire.bytes.length;
      return answer;
    },
  };
}

/** Two sessions that talk to each other. */
export function createPair(
  options: Partial<YamuxSessionOptions> = {},
  linkOptions: MemoryLinkOptions = {},
) {
  const link = memoryLink(linkOptions);
  const clock = new ManualClock();
  const accepted: YamuxStream[] = [];
  const closed: string[] = [];
  const base = { clock, onStream: (stream: YamuxStream) => accepted.push(stream), ...options };
  const client = new YamuxSession({
    ...base,
    transport: link.a,
    role: 'client',
    onClosed: () => closed.push('client'),
  });
  const server = new YamuxSession({
    ...base,
    transport: link.b,
    role: 'server',
    onClosed: () => closed.push('server'),
  });
  client.start();
  server.start();
  return { link, clock, client, server, accepted, closed };
}

export function firstOf<T>(items: readonly T[]): T {
  const first = items[0];
  if (first === undefined) throw new Error('expected at least one');
  return first;
}
