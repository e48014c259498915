import { NumberMap } from '../../../base/number-map.ts';
import type { ActiveStream } from './active-stream.ts';
import { maxStreamId } from './frames.ts';
import type { Role } from './settings.ts';
import type { StreamAbort } from './stream.ts';

/** What is known about a stream that is not open. */
export type ClosedState =
  /** Not opened yet. */
  | 'idle'
  /** Passed over when a later one was opened, RFC 9113 section 5.1.1. */
  | 'skipped'
  /** We have reset or ignored it: the peer may not know yet, so its frames are passed over. */
  | 'givenUp'
  /** Ended by both sides, or reset by the peer. */
  | 'ended';

/** So many of the streams that we gave up are remembered one by one. */
const rememberedStreams = 1024;
/** gRPC servers are asked for no more than this until they have told their limit. */
const assumedMaxStreams = 100;

/** The streams of a session: those that are open, and what must be remembered of the others. */
export class StreamTable {
  readonly #role: Role;
  readonly #open = new NumberMap<ActiveStream>();
  readonly #givenUp = new Set<number>();
  /** The highest identifier that was forgotten from `#givenUp`: any up to it may have been in it. */
  #forgotten = 0;
  #nextLocalId: number;
  #lastRemoteId = 0;
  /** The latest run of identifiers that the peer has passed over. */
  #skippedFrom = 0;
  #skippedTo = 0;
  /** Streams above are ignored: the peer was told so by GOAWAY. */
  #lastAcceptedId = maxStreamId;
  #peerMaxStreams = assumedMaxStreams;

  constructor(role: Role) {
    this.#role = role;
    this.#nextLocalId = role === 'client' ? 1 : 2;
  }

  get size(): number {
    return this.#open.size;
  }

  /** The highest stream that the peer has opened. */
  get lastRemoteId(): number {
    return this.#lastRemoteId;
  }

  /** The highest stream of the peer's that we may have looked at: what GOAWAY tells. */
  get lastAcceptedId(): number {
    return Math.min(this.#lastRemoteId, this.#lastAcceptedId);
  }

  /** Whether no identifier is left for a stream of ours. */
  get isUsedUp(): boolean {
    return this.#nextLocalId > maxStreamId;
  }

  get(id: number): ActiveStream | undefined {
    return this.#open.get(id);
  }

  /** Those that are open now. */
  all(): readonly ActiveStream[] {
    return this.#open.values();
  }

  add(stream: ActiveStream): void {
    this.#open.set(stream.id, stream);
  }

  /** Removes a closed stream. */
  remove(id: number, isGivenUp: boolean): void {
    this.#open.delete(id);
    if (isGivenUp) this.giveUp(id);
  }

  /** Remembers that frames of this stream may still come, and mean nothing. */
  giveUp(id: number): void {
    this.#givenUp.add(id);
    if (this.#givenUp.size <= rememberedStreams) return;
    for (const oldest of this.#givenUp) {
      this.#givenUp.delete(oldest);
      this.#forgotten = Math.max(this.#forgotten, oldest);
      return;
    }
  }

  /** The peer takes so many streams of ours at a time. */
  setPeerMaxStreams(count: number): void {
    this.#peerMaxStreams = count;
  }

  /** How many more streams of ours the peer takes now. */
  get room(): number {
    return this.isUsedUp ? 0 : Math.max(0, this.#peerMaxStreams - this.#open.size);
  }

  /** The identifier for a new stream of ours, or undefined if none can be opened now. */
  takeLocalId(): number | undefined {
    if (this.room === 0) return undefined;
    const id = this.#nextLocalId;
    this.#nextLocalId += 2;
    return id;
  }

  /** Notes that the peer opens a stream. Its identifier is higher than the last one. */
  takeRemoteId(id: number): void {
    if (id > this.#lastRemoteId + 2) {
      this.#skippedFrom = this.#lastRemoteId + 1;
      this.#skippedTo = id - 1;
    }
    this.#lastRemoteId = id;
  }

  /** Ignores streams above that one from now on. */
  acceptUpTo(lastStreamId: number): void {
    this.#lastAcceptedId = lastStreamId;
  }

  /** Whether the peer was told that this stream of its own will not be looked at. */
  isIgnored(id: number): boolean {
    return id > this.#lastAcceptedId;
  }

  /** What is known about a stream that is not open. */
  closedState(id: number): ClosedState {
    const isLocal = (id & 1) === (this.#role === 'client' ? 1 : 0);
    if (id > (isLocal ? this.#nextLocalId - 2 : this.#lastRemoteId)) return 'idle';
    if (this.#givenUp.has(id) || id <= this.#forgotten) return 'givenUp';
    if (isLocal) return 'ended';
    if (this.isIgnored(id)) return 'givenUp';
    return id >= this.#skippedFrom && id <= this.#skippedTo ? 'skipped' : 'ended';
  }

  /** Ends each open stream above `lastStreamId` for this cause. */
  abortAbove(lastStreamId: number, cause: (stream: ActiveStream) => StreamAbort): void {
    for (const stream of this.#open.values()) {
      if (stream.id > lastStreamId) stream.abort(cause(stream), 'givenUp');
    }
  }
}
