import { writeSync, write as writeFile } from 'node:fs';
import type { Clock } from '../base/clock.ts';
import { LentBuffer } from '../proxy/wire/lent-buffer.ts';

export interface BatchedOutputOptions {
  readonly fd: number;
  readonly clock: Clock;
}

/** Lines wait until there is so much, or so long. A write for each line would cost more than its call. */
const batchBytes = 64 * 1024;
const batchMs = 100;
const bufferBytes = 2 * batchBytes;
/** What waits at most while nobody reads; then lines are dropped. */
const maxWaitingBytes = 16 * 1024 * 1024;
/** How long a pipe that is full is left alone. */
const retryMs = 50;
const lineBreak = 0x0a;

/**
 * Writes lines to a file, pipe or terminal in batches, a tenth of a second late at most, and never
 * makes its caller wait. Lines are copied to where they are written from: putting them together as
 * text first has cost a tenth of the proxy's CPU.
 */
export class BatchedOutput {
  readonly #options: BatchedOutputOptions;
  readonly #lent = new LentBuffer();
  #buffer = this.#lent.take(bufferBytes);
  #length = 0;
  /** What is being written, from `#written` on. */
  #writing: Buffer | undefined;
  #written = 0;
  #isArmed = false;
  #dropped = 0;

  constructor(options: BatchedOutputOptions) {
    this.#options = options;
  }

  /** Lines that nobody could be given. */
  get droppedLines(): number {
    return this.#dropped;
  }

  /** Appends a line, which ends in a line break. */
  write(line: string): void {
    // A character has three bytes at most: those of four are two characters for JavaScript.
    if (this.#makeRoom(3 * line.length)) this.#append(line, 'utf8');
    else this.#dropped += 1;
  }

  /** The same, faster, for a line without characters beyond ASCII. */
  writeAscii(line: string): void {
    if (this.#makeRoom(line.length)) this.#append(line, 'latin1');
    else this.#dropped += 1;
  }

  /** Appends lines, each of which ends in a line break, that are UTF-8 already. */
  writeBytes(lines: Buffer): void {
    if (!this.#makeRoom(lines.length)) {
      for (const byte of lines) if (byte === lineBreak) this.#dropped += 1;
      return;
    }
    this.#length += lines.copy(this.#buffer, this.#length);
    if (this.#length >= batchBytes) this.#flush();
    else this.#arm(batchMs);
  }

  /** Writes all that waits before it returns; for the end of the process. */
  flushSync(): void {
    const pieces = [
      this.#writing?.subarray(this.#written) ?? Buffer.alloc(0),
      this.#buffer.subarray(0, this.#length),
    ];
    this.#length = 0;
    for (const piece of pieces) writeAllSync(this.#options.fd, piece);
  }

  #append(line: string, encoding: 'utf8' | 'latin1'): void {
    this.#length += this.#buffer.write(line, this.#length, encoding);
    if (this.#length >= batchBytes) this.#flush();
    else this.#arm(batchMs);
  }

  #makeRoom(bytes: number): boolean {
    const needed = this.#length + bytes;
    if (needed <= this.#buffer.length) return true;
    if (needed > maxWaitingBytes) return false;
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.#buffer.length));
    this.#buffer.copy(grown, 0, 0, this.#length);
    this.#buffer = grown;
    return true;
  }

  #arm(delayMs: number): void {
    if (this.#isArmed || this.#writing !== undefined) return;
    this.#isArmed = true;
    this.#options.clock.after(delayMs, () => {
      this.#isArmed = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#writing !== undefined || this.#length === 0) return;
    this.#writing = this.#buffer.subarray(0, this.#length);
    this.#written = 0;
    // One that has grown is not kept.
    if (this.#buffer.length === bufferBytes) this.#lent.lend(this.#buffer);
    this.#buffer = this.#lent.take(bufferBytes);
    this.#length = 0;
    this.#writeOn();
  }

  #writeOn(): void {
    const bytes = this.#writing;
    if (bytes === undefined) return;
    const from = this.#written;
    writeFile(this.#options.fd, bytes, from, bytes.length - from, null, (error, count) => {
      if (error === null) this.#written += count;
      else if (error.code === 'EAGAIN') {
        this.#options.clock.after(retryMs, () => this.#writeOn());
        return;
      } else this.#written = bytes.length; // Nobody reads any more.
      if (this.#written < bytes.length) this.#writeOn();
      else {
        this.#writing = undefined;
        this.#lent.giveBack();
        if (this.#length >= batchBytes) this.#flush();
        else if (this.#length > 0) this.#arm(batchMs);
      }
    });
  }
}

/** As much as a pipe takes at once: a process that ends waits for nobody. */
function writeAllSync(fd: number, bytes: Buffer): void {
  try {
    for (let from = 0; from < bytes.length;) from += writeSync(fd, bytes, from);
  } catch {
    // There is nowhere left to say so.
  }
}
