import type { Random } from '../../base/random.ts';
import type { Transport, TransportEvents } from './transport.ts';

/** An event loop that runs when it is told to: the same calls, in the same order, every time. */
export class TurnQueue {
  readonly #callbacks: (() => void)[] = [];

  /** Runs `callback` on a later turn. */
  readonly defer = (callback: () => void): void => {
    this.#callbacks.push(callback);
  };

  /**
   * Runs turns until nothing is left to do.
   *
   * @throws Error after `maxTurns`, since something then goes on for ever
   */
  run(maxTurns = 1_000_000): void {
    for (let turns = 0; turns < maxTurns; turns++) {
      const callback = this.#callbacks.shift();
      if (callback === undefined) return;
      callback();
    }
    throw new Error(`not at rest after ${maxTurns} turns`);
  }
}

export interface MemoryTransportOptions {
  /** Runs a callback on a turn of its own. Default setImmediate. */
  readonly defer?: (callback: () => void) => void;
  /** Cuts the bytes into chunks, and decides who owns a written buffer. Default: neither. */
  readonly random?: Random;
  /** Longest chunk. Default 65,536. */
  readonly maxChunkBytes?: number;
  /** How many bytes may be on the way in each direction; full until half of it is free. Default 262,144. */
  readonly capacityBytes?: number;
}

/**
 * Two ends of a connection that exists in memory only, for tests. It is as hard on its users as the
 * interface allows: chunks are overwritten after delivery, and a buffer that was handed over is
 * read late.
 */
export function memoryTransportPair(
  options: MemoryTransportOptions = {},
): readonly [MemoryTransport, MemoryTransport] {
  const pipes: Pipe[] = [];
  const onEnded = () => {
    // Both directions are over: the connection is gone.
    if (pipes.every((pipe) => pipe.hasEnded)) for (const pipe of pipes) pipe.close(undefined);
  };
  const toRight = new Pipe(options, onEnded);
  const toLeft = new Pipe(options, onEnded);
  pipes.push(toRight, toLeft);
  return [
    new MemoryTransport('memory:right', toRight, toLeft),
    new MemoryTransport('memory:left', toLeft, toRight),
  ];
}

/** One end of a {@link memoryTransportPair}. */
export class MemoryTransport implements Transport {
  readonly peer: string;
  readonly #outgoing: Pipe;
  readonly #incoming: Pipe;

  constructor(peer: string, outgoing: Pipe, incoming: Pipe) {
    this.peer = peer;
    this.#outgoing = outgoing;
    this.#incoming = incoming;
  }

  /** Whether the connection is gone. */
  get isClosed(): boolean {
    return this.#outgoing.isClosed && this.#incoming.isClosed;
  }

  start(events: TransportEvents): void {
    this.#outgoing.attachWriter(events);
    this.#incoming.attachReader(events);
  }

  capacity(): number {
    return this.#outgoing.capacity();
  }

  write(bytes: Buffer, length: number): boolean {
    return this.#outgoing.write(bytes, length);
  }

  consumed(length: number): void {
    this.#incoming.consumed(length);
  }

  end(): void {
    this.#outgoing.end();
  }

  destroy(error?: Error): void {
    this.#outgoing.close(error);
    this.#incoming.close(new Error('the peer has dropped the connection'));
  }
}

/** Bytes that were written and have not all been delivered. */
interface Written {
  readonly bytes: Buffer;
  readonly length: number;
  /** Whether `bytes` are the writer's, until all that was kept is delivered. */
  readonly isKept: boolean;
  delivered: number;
}

const defaultMaxChunkBytes = 65_536;
const defaultCapacityBytes = 262_144;
/** What a chunk is overwritten with after its delivery. */
const stalePattern = 0xdd;

/** One direction of the connection. A close is told to the writer: there is one for each end. */
class Pipe {
  readonly #options: MemoryTransportOptions;
  readonly #onEnded: () => void;
  #writer: TransportEvents | undefined;
  #reader: TransportEvents | undefined;
  #written: Written[] = [];
  /** Bytes that the reader has not used up. */
  #unconsumed = 0;
  #isStarved = false;
  #end: 'open' | 'ending' | 'ended' = 'open';
  #isDelivering = false;
  #closed: { readonly error: Error | undefined } | undefined;

  constructor(options: MemoryTransportOptions, onEnded: () => void) {
    this.#options = options;
    this.#onEnded = onEnded;
  }

  get hasEnded(): boolean {
    return this.#end === 'ended';
  }

  get isClosed(): boolean {
    return this.#closed !== undefined;
  }

  attachWriter(events: TransportEvents): void {
    if (this.#writer !== undefined) throw new Error('the transport was started before');
    this.#writer = events;
    this.#tellClosed();
  }

  attachReader(events: TransportEvents): void {
    this.#reader = events;
    this.#deliverSoon();
  }

  capacity(): number {
    if (this.#closed !== undefined || this.#end !== 'open') return 0;
    const { capacityBytes = defaultCapacityBytes } = this.#options;
    const capacity = this.#isStarved ? 0 : Math.max(0, capacityBytes - this.#unconsumed);
    if (capacity === 0) this.#isStarved = true;
    return capacity;
  }

  write(bytes: Buffer, length: number): boolean {
    if (length > this.capacity()) throw new Error('more was written than there is capacity for');
    if (length > bytes.length) throw new Error('more was written than the buffer holds');
    const { random } = this.#options;
    const isKept = random !== undefined && random.next() < 0.5;
    const own = isKept ? bytes : Buffer.from(bytes.subarray(0, length));
    this.#written.push({ bytes: own, length, isKept, delivered: 0 });
    this.#unconsumed += length;
    this.#deliverSoon();
    return !isKept;
  }

  consumed(length: number): void {
    this.#unconsumed -= length;
    if (this.#unconsumed < 0) throw new Error('more was consumed than was delivered');
    const { capacityBytes = defaultCapacityBytes } = this.#options;
    if (!this.#isStarved || this.#unconsumed > capacityBytes / 2) return;
    this.#isStarved = false;
    this.#defer(() => {
      if (!this.isClosed) this.#writer?.onDrain();
    });
  }

  end(): void {
    if (this.#end !== 'open') return;
    this.#end = 'ending';
    this.#deliverSoon();
  }

  /** Drops what is on the way, and tells the writer that the connection is gone. */
  close(error: Error | undefined): void {
    if (this.#closed !== undefined) return;
    this.#closed = { error };
    this.#written = [];
    this.#tellClosed();
  }

  #tellClosed(): void {
    const closed = this.#closed;
    const writer = this.#writer;
    if (closed === undefined || writer === undefined) return;
    this.#defer(() => writer.onClose(closed.error));
  }

  /** Delivers one chunk, or the end, on a turn of its own; then the next one. */
  #deliverSoon(): void {
    const hasWork = this.#written.length > 0 || this.#end === 'ending';
    if (this.#isDelivering || this.#reader === undefined || !hasWork) return;
    this.#isDelivering = true;
    this.#defer(() => {
      this.#isDelivering = false;
      if (this.isClosed) return;
      if (this.#written.length > 0) this.#deliverChunk();
      else this.#deliverEnd();
      this.#deliverSoon();
    });
  }

  #deliverChunk(): void {
    const [first] = this.#written;
    if (first === undefined) return;
    const { random, maxChunkBytes = defaultMaxChunkBytes } = this.#options;
    const longest = Math.min(maxChunkBytes, first.length - first.delivered);
    const length = random === undefined ? longest : 1 + Math.floor(random.next() * longest);
    const chunk = Buffer.from(first.bytes.subarray(first.delivered, first.delivered + length));
    first.delivered += length;
    if (first.delivered === first.length) this.#written.shift();
    this.#reader?.onData(chunk);
    chunk.fill(stalePattern);
    const wasLastKept = first.isKept && !this.#written.some(({ isKept }) => isKept);
    if (wasLastKept && first.delivered === first.length) this.#writer?.onReleased?.();
  }

  #deliverEnd(): void {
    this.#end = 'ended';
    this.#reader?.onEnd();
    this.#onEnded();
  }

  #defer(callback: () => void): void {
    (this.#options.defer ?? setImmediate)(callback);
  }
}
