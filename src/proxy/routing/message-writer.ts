import { lengthDelimited, maxVarintBytes } from './protobuf-fields.ts';

/** Shorter pieces are faster copied in a loop than by a call of native code. */
const shortPiece = 32;

/** No field that holds this text is longer. */
export function textBound(text: string): number {
  return 2 * maxVarintBytes + maxUtf8Bytes * text.length;
}

const maxUtf8Bytes = 3;

/** Puts a protobuf message together in one buffer, whose size is known to be enough. */
export class MessageWriter {
  readonly #target: Buffer;
  #end: number;

  /** @param reserve bytes that are left free before the message */
  constructor(reserve: number, bound: number) {
    this.#target = Buffer.allocUnsafe(reserve + bound);
    this.#end = reserve;
  }

  /** The free bytes and the message. */
  get written(): Buffer {
    return this.#target.subarray(0, this.#end);
  }

  /** Appends `bytes[start, end)` as they are. */
  copy(bytes: Buffer, start: number, end: number): void {
    const target = this.#target;
    if (end - start >= shortPiece) this.#end += bytes.copy(target, this.#end, start, end);
    else for (let i = start; i < end; i++) target[this.#end++] = bytes[i] ?? 0;
  }

  /** Appends a field that holds a text. */
  text(number: number, text: string): void {
    this.#end = writeVarint(this.#target, this.#end, number * 8 + lengthDelimited);
    const position = this.open();
    this.#end += this.#target.write(text, this.#end);
    this.close(position);
  }

  /** Begins something with a length before it, which {@link close} fills in. */
  open(): number {
    return this.#end++;
  }

  /** @param position what {@link open} has returned */
  close(position: number): void {
    const start = position + 1;
    const length = this.#end - start;
    const more = varintLength(length) - 1;
    // One byte was left free, which is nearly always enough.
    if (more > 0) this.#target.copyWithin(start + more, start, this.#end);
    this.#end += more;
    writeVarint(this.#target, position, length);
  }
}

function varintLength(value: number): number {
  let length = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) length += 1;
  return length;
}

/** @returns the position behind it */
function writeVarint(target: Buffer, position: number, value: number): number {
  let rest = value;
  let next = position;
  for (; rest >= 0x80; next += 1) {
    target[next] = (rest % 0x80) | 0x80;
    rest = Math.floor(rest / 0x80);
  }
  target[next] = rest;
  return next + 1;
}
