import { statusCodes } from '../../rpc/status.ts';
import { readStatusCode } from '../wire/grpc-status.ts';
import type { HeaderField } from '../wire/hpack/header-field.ts';
import type { CallOpener, CallStream } from '../upstream/waiting-call.ts';
import type { StreamAbort, StreamEvents } from '../wire/http2/stream.ts';

/** What one storage answers. */
export interface NodeCallEvents {
  /** The head of the answer. Not called for an answer that is only a status. */
  onHead(fields: readonly HeaderField[]): void;
  /** A piece of the answer. Whoever takes it tells `stream.consumed`. */
  onData(bytes: Buffer, start: number, end: number): void;
  onEnd(end: NodeCallEnd): void;
}

export type NodeCallEnd =
  | {
      readonly kind: 'answered';
      readonly code: number;
      /** For an answer that is only a status these are its headers, `:status` first. */
      readonly trailers: readonly HeaderField[];
    }
  | { readonly kind: 'lost'; readonly cause: StreamAbort };

/** A call to one storage: opens the stream, sends the first message, and follows the answer. */
export class NodeCall implements StreamEvents {
  readonly storage: string;
  readonly #events: NodeCallEvents;
  #stream: CallStream | undefined;
  #hasHead = false;
  #end: NodeCallEnd | undefined;

  constructor(storage: string, events: NodeCallEvents) {
    this.storage = storage;
    this.#events = events;
  }

  /** The stream, or undefined if the storage took no call. */
  get stream(): CallStream | undefined {
    return this.#stream;
  }

  get end(): NodeCallEnd | undefined {
    return this.#end;
  }

  /** Opens the stream and sends the first message. `message` has its prefix. */
  start(
    calls: CallOpener,
    fields: readonly HeaderField[],
    message: Buffer,
    isWhole: boolean,
  ): void {
    this.#stream = calls.request(fields, false, this);
    if (this.#stream === undefined) this.#finish({ kind: 'lost', cause: { kind: 'refused' } });
    else this.#stream.sendData(message, 0, message.length, isWhole, undefined);
  }

  /** Breaks the call off. `onEnd` is not called any more. */
  cancel(): void {
    if (this.#end !== undefined) return;
    this.#end = { kind: 'lost', cause: { kind: 'reset', code: cancelCode } };
    this.#stream?.reset(cancelCode);
  }

  onHeaders(fields: readonly HeaderField[], endStream: boolean): void {
    if (this.#end !== undefined) return;
    if (!endStream) {
      this.#hasHead = true;
      this.#events.onHead(fields);
      return;
    }
    const trailers = this.#hasHead ? withoutPseudoFields(fields) : fields;
    this.#finish({ kind: 'answered', code: readStatusCode(trailers), trailers });
  }

  onData(bytes: Buffer, start: number, end: number, endStream: boolean): void {
    if (this.#end !== undefined) {
      this.#stream?.consumed(end - start);
      return;
    }
    this.#events.onData(bytes, start, end);
    if (!endStream) return;
    // gRPC answers end with trailers; one that does not has lost its status.
    this.#finish({ kind: 'answered', code: statusCodes.UNKNOWN, trailers: [] });
  }

  onAbort(cause: StreamAbort): void {
    this.#finish({ kind: 'lost', cause });
  }

  #finish(end: NodeCallEnd): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    // The storage has answered without waiting for the whole request: nothing more goes there.
    if (this.#stream !== undefined && !this.#stream.localEnded) this.#stream.reset(noErrorCode);
    this.#events.onEnd(end);
  }
}

function withoutPseudoFields(fields: readonly HeaderField[]): readonly HeaderField[] {
  return fields.filter((field) => !field.name.startsWith(':'));
}

/** RFC 9113, section 7. */
const cancelCode = 0x8;
const noErrorCode = 0x0;
