import type { Timer } from '../../base/clock.ts';
import { statusCodes } from '../../rpc/status.ts';
import type { ReadRoute } from '../routing/route.ts';
import type { VirtualStorage } from '../upstream/storage-directory.ts';
import { describeAbort } from '../upstream/unary-call.ts';
import { headerField, type HeaderField } from '../wire/hpack/header-field.ts';
import type { RelayContext } from './context.ts';
import { NodeCall, type NodeCallEnd } from './node-call.ts';
import type { ErrorWeight } from './read-record.ts';
import { cutStatus, type CallAbort, type RequestSink, type ServerCall } from './server-call.ts';
import type { OfferedSidechannel } from './sidechannel-registry.ts';
import { storageHeaders } from './storage-headers.ts';

export interface ReadCallOptions {
  readonly call: ServerCall;
  readonly virtualStorage: VirtualStorage;
  readonly context: RelayContext;
  /** Chooses a storage, without those that failed already. */
  route(excluded: ReadonlySet<string>): ReadRoute;
  /** What an error counts that it has answered with. */
  weightOfError(storage: string): ErrorWeight;
  /** Whether the answer is one message, with which nobody can do anything before the end. */
  readonly answersOnce: boolean;
  /** The first message as that storage is to get it, with its prefix. */
  rewrite(storage: string): Buffer;
}

/** An attempt that leaves nothing to the client but its status. */
interface FailedAttempt {
  readonly storage: string;
  readonly end: NodeCallEnd;
  /** Whether the end may be the answer if no other storage is left. */
  readonly mayStand: boolean;
}

/** A read is tried elsewhere only as long as all that the client has sent is kept. */
const maxReplayBytes = 64 * 1024;
/**
 * The answer of a call with a sidechannel waits until that is done; it is a small message. Of any other so
 * much is held back at most.
 */
const maxHeldBytes = 64 * 1024;
/** How long an answer that goes on is held back after its first message. */
const patienceMs = 10;
/** A flag, and four bytes of length. */
const prefixBytes = 5;
const noBytes = Buffer.alloc(0);
const noStorages: ReadonlySet<string> = new Set();

/**
 * A call that one storage answers. As long as the client has seen nothing of the answer, a storage
 * that fails is replaced by another, and the client does not notice. That is why an answer is held back:
 *
 * 1. Until its first message is whole, and if there is to be one only, until its end. That needs no limit: nobody
 *    can use a part of it.
 * 2. Else for 10 ms after that. Most short answers have ended by then: a client gets all of one, or all of another
 *    storage's.
 */
export class ReadCall implements RequestSink {
  readonly #options: ReadCallOptions;
  #failed: ReadonlySet<string> = noStorages;
  #node: NodeCall | undefined;
  #sidechannel: OfferedSidechannel | undefined;
  /** What the client sent after the first message, or undefined if it became too much to keep. */
  #replay: Buffer | undefined = noBytes;
  #requestEnded: boolean;
  #head: readonly HeaderField[] | undefined;
  /** What has come of the answer while the client is to see nothing. */
  #held = noBytes;
  #patience: Timer | undefined;
  #answering = false;

  constructor(options: ReadCallOptions) {
    this.#options = options;
    this.#requestEnded = options.call.isWhole;
  }

  start(): void {
    this.#attempt(undefined);
    this.#options.call.attach(this);
  }

  onData(bytes: Buffer, start: number, end: number, endStream: boolean): void {
    if (endStream) this.#requestEnded = true;
    if (this.#replay !== undefined && end > start) {
      const kept = this.#replay.length + end - start <= maxReplayBytes;
      this.#replay = kept ? Buffer.concat([this.#replay, bytes.subarray(start, end)]) : undefined;
    }
    const { credit } = this.#options.call;
    const stream = this.#node?.stream;
    if (stream === undefined || stream.closed) credit.consumed(end - start);
    else if (end > start || endStream) stream.sendData(bytes, start, end, endStream, credit);
  }

  onAbort(_cause: CallAbort): void {
    this.#patience?.cancel();
    this.#node?.cancel();
    this.#sidechannel?.cancel();
  }

  onCut(reason: string): void {
    this.#options.call.fail(cutStatus(reason), true);
    this.onAbort({ kind: 'cut' });
  }

  /**
   * Sends the call to a storage.
   *
   * @param last what has come of the attempt before
   * @returns false if that was a status of the storage's own, and no other storage is left: it is
   *   the answer then
   */
  #attempt(last: FailedAttempt | undefined): boolean {
    const { call, context, virtualStorage, route, rewrite } = this.#options;
    const chosen = route(this.#failed);
    if (chosen.kind === 'unavailable') {
      if (last?.mayStand === true) return false;
      const { reason } = chosen;
      const message =
        last === undefined ? reason : `${reason}; ${last.storage}: ${describeEnd(last.end)}`;
      call.fail({ code: statusCodes.UNAVAILABLE, message });
      return true;
    }
    if (last !== undefined) context.metrics.readRetried(last.storage);
    const { storage } = chosen;
    call.trace.readRouted(storage);
    const node = new NodeCall(storage, {
      onHead: (fields) => {
        this.#head = fields;
      },
      onData: (bytes, start, end) => this.#onAnswer(node, bytes, start, end),
      onEnd: (end) => this.#onEnd(node, end),
    });
    this.#node = node;
    this.#head = undefined;
    this.#held = noBytes;
    this.#patience = undefined;
    const replay = this.#replay ?? noBytes;
    const isWhole = this.#requestEnded && replay.length === 0;
    context.metrics.readRouted(virtualStorage.name, storage);
    node.start(
      virtualStorage.calls(storage),
      storageHeaders(call, virtualStorage, storage, { extra: this.#offerSidechannel() }),
      rewrite(storage),
      isWhole,
    );
    if (replay.length > 0) {
      node.stream?.sendData(replay, 0, replay.length, this.#requestEnded, undefined);
    }
    return true;
  }

  #offerSidechannel(): readonly HeaderField[] {
    const { call, context } = this.#options;
    this.#sidechannel?.cancel();
    if (call.mux === undefined || call.head.sidechannelId === undefined) return [];
    this.#sidechannel = context.sidechannels.offer(call.mux, call.head.sidechannelId);
    return [headerField('gitaly-sidechannel-id', String(this.#sidechannel.id))];
  }

  #onAnswer(node: NodeCall, bytes: Buffer, start: number, end: number): void {
    if (this.#answering) {
      this.#answer(bytes, start, end, node);
      return;
    }
    const isWanted = this.#sidechannel === undefined;
    const isTooMuch = this.#held.length + end - start > maxHeldBytes;
    if (isWanted && isTooMuch) {
      this.#answerHeld();
      this.#answer(bytes, start, end, node);
      return;
    }
    this.#held = Buffer.concat([this.#held, bytes.subarray(start, end)]);
    node.stream?.consumed(end - start);
    if (isWanted) this.#holdBack(node);
    else if (isTooMuch) {
      node.cancel();
      this.#options.call.fail({
        code: statusCodes.INTERNAL,
        message: `the answer to a call with a sidechannel is longer than ${maxHeldBytes} bytes`,
      });
    }
  }

  /** As soon as the first message is whole, sets the time after which what is held goes on. */
  #holdBack(node: NodeCall): void {
    const length = firstMessageBytes(this.#held);
    if (this.#patience !== undefined || length === undefined) return;
    if (length > maxHeldBytes) this.#answerHeld();
    // The end mostly stands right behind the message, and then no time has to be set.
    else if (this.#held.length >= length && !this.#options.answersOnce) {
      queueMicrotask(() => this.#losePatience(node));
    }
  }

  #losePatience(node: NodeCall): void {
    const { call, context } = this.#options;
    if (node !== this.#node || node.end !== undefined || call.ended || this.#answering) return;
    this.#patience ??= context.clock.after(patienceMs, () => this.#answerHeld());
  }

  #answerHeld(): void {
    this.#patience?.cancel();
    const held = this.#held;
    this.#held = noBytes;
    if (held.length > 0) this.#answer(held, 0, held.length, undefined);
  }

  #answer(bytes: Buffer, start: number, end: number, node: NodeCall | undefined): void {
    const { call } = this.#options;
    if (!this.#answering) {
      this.#answering = true;
      if (this.#head !== undefined) call.sendHeaders(this.#head);
    }
    call.sendData(bytes, start, end, node?.stream);
  }

  #onEnd(node: NodeCall, end: NodeCallEnd): void {
    const { call } = this.#options;
    if (node !== this.#node || call.ended) return;
    this.#patience?.cancel();
    const { storage } = node;
    const weight = this.#weightOf(storage, end);
    if (weight !== 'stands' && this.#canGoElsewhere) {
      this.#failed = new Set([...this.#failed, storage]);
      if (this.#attempt({ storage, end, mayStand: weight !== 'void' })) return;
    }
    if (this.#sidechannel === undefined) this.#finish(node, end, undefined);
    else void this.#sidechannel.finished().then((failure) => this.#finish(node, end, failure));
  }

  /** @param relayFailure why the bytes of the sidechannel have not all been relayed */
  #finish(node: NodeCall, end: NodeCallEnd, relayFailure: string | undefined): void {
    const { call } = this.#options;
    if (end.kind === 'lost') {
      const message = `storage ${node.storage} failed during the answer: ${describeEnd(end)}`;
      call.fail({ code: statusCodes.UNAVAILABLE, message }, true);
      return;
    }
    this.#answerHeld();
    if (relayFailure !== undefined && end.code === statusCodes.OK) {
      const message = `sidechannel: proxy callback: ${relayFailure}`;
      call.fail({ code: statusCodes.INTERNAL, message });
    } else {
      if (!this.#answering && this.#head !== undefined) call.sendHeaders(this.#head);
      call.sendTrailers(end.trailers, end.code);
    }
  }

  /**
   * What an end counts. Of the statuses of a storage only UNAVAILABLE says that the call was not served.
   * RESOURCE_EXHAUSTED does not: a storage that sheds load would pass it on to the others, and clients know how to
   * wait. What else a storage says, another would say too, unless its replica counts no more.
   */
  #weightOf(storage: string, end: NodeCallEnd): ErrorWeight {
    if (end.kind === 'lost') return 'void';
    if (end.code === statusCodes.OK) return 'stands';
    const weight = this.#options.weightOfError(storage);
    return weight === 'stands' && end.code === statusCodes.UNAVAILABLE ? 'doubtful' : weight;
  }

  /** Whether the client has seen nothing, and all that it has sent is there to be sent again. */
  get #canGoElsewhere(): boolean {
    return !this.#answering && this.#replay !== undefined && this.#sidechannel?.used !== true;
  }
}

function describeEnd(end: NodeCallEnd): string {
  return end.kind === 'lost' ? describeAbort(end.cause) : `status ${end.code}`;
}

/** The length of the first message of an answer with its prefix, or undefined if that has not come. */
function firstMessageBytes(answer: Buffer): number | undefined {
  return answer.length < prefixBytes ? undefined : prefixBytes + answer.readUInt32BE(1);
}
