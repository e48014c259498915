import type { HeaderField } from '../wire/hpack/header-field.ts';
import type { NodeCall, NodeCallEnd } from './node-call.ts';
import type { ServerCall } from './server-call.ts';

/** How much of an answer is kept, to be able to go on with another storage's. */
const maxKeptBytes = 64 * 1024;

/**
 * The answers of all storages to one write. The primary's goes to the client as it comes, but for
 * its end. The others' are kept: one of them serves if the primary dies after the decision, as long
 * as it goes on where the primary's stopped.
 */
export class WriteAnswer {
  readonly #call: ServerCall;
  readonly #answers = new Map<string, NodeAnswer>();
  #forwardedFrom: string | undefined;

  constructor(call: ServerCall) {
    this.#call = call;
  }

  /** Whether the client has seen nothing yet. */
  get isUntouched(): boolean {
    return ![...this.#answers.values()].some(({ sentHead }) => sentHead);
  }

  onHead(storage: string, fields: readonly HeaderField[]): void {
    this.#of(storage).head = fields;
  }

  /** @param isPrimary whether the client gets this answer while it comes */
  onData(node: NodeCall, bytes: Buffer, start: number, end: number, isPrimary: boolean): void {
    const answer = this.#of(node.storage);
    answer.keep(bytes, start, end);
    if (!isPrimary) {
      node.stream?.consumed(end - start);
      return;
    }
    this.#sendHead(answer);
    this.#forwardedFrom = node.storage;
    this.#call.sendData(bytes, start, end, node.stream);
  }

  onEnd(storage: string, end: NodeCallEnd): void {
    this.#of(storage).end = end;
  }

  /**
   * Ends the call with the answer of `storage`: the rest of its messages, then its status.
   *
   * @returns false if the client has already seen something else; nothing was sent then
   */
  finishWith(storage: string): boolean {
    const answer = this.#of(storage);
    if (answer.end?.kind !== 'answered') return false;
    if (this.#forwardedFrom !== storage) {
      const forwarded = this.#forwardedFrom === undefined ? none : this.#of(this.#forwardedFrom);
      const rest = answer.after(forwarded);
      if (rest === undefined) return false;
      this.#sendHead(answer);
      for (const piece of rest) this.#call.sendData(piece, 0, piece.length, undefined);
    } else this.#sendHead(answer);
    this.#call.sendTrailers(answer.end.trailers, answer.end.code);
    return true;
  }

  #sendHead(answer: NodeAnswer): void {
    if (this.#forwardedFrom !== undefined || answer.head === undefined || answer.sentHead) return;
    answer.sentHead = true;
    this.#call.sendHeaders(answer.head);
  }

  #of(storage: string): NodeAnswer {
    let answer = this.#answers.get(storage);
    if (answer === undefined) {
      answer = new NodeAnswer();
      this.#answers.set(storage, answer);
    }
    return answer;
  }
}

class NodeAnswer {
  head: readonly HeaderField[] | undefined;
  sentHead = false;
  end: NodeCallEnd | undefined;
  #pieces: Buffer[] = [];
  #bytes = 0;
  #overflown = false;

  keep(bytes: Buffer, start: number, end: number): void {
    this.#bytes += end - start;
    if (this.#bytes > maxKeptBytes) {
      this.#overflown = true;
      this.#pieces = [];
    }
    if (!this.#overflown) this.#pieces.push(Buffer.from(bytes.subarray(start, end)));
  }

  /** What this answer has after the bytes of `other`, or undefined if it does not begin with them. */
  after(other: NodeAnswer): readonly Buffer[] | undefined {
    if (this.#overflown || other.#overflown) return undefined;
    const own = Buffer.concat(this.#pieces);
    const theirs = Buffer.concat(other.#pieces);
    if (own.length < theirs.length || !own.subarray(0, theirs.length).equals(theirs)) {
      return undefined;
    }
    return own.length === theirs.length ? [] : [own.subarray(theirs.length)];
  }
}

const none = new NodeAnswer();
