const lineBreak = 0x0a;
/** No line of ours is so long: what is, is cut. */
const maxRestBytes = 1024 * 1024;

/**
 * Puts the pieces in which a process's output arrives together into whole lines, so that the lines of
 * several processes can go to one place.
 */
export class WholeLines {
  readonly #write: (lines: Buffer) => void;
  #rest: Buffer[] = [];
  #restBytes = 0;

  /** @param write gets one or more lines at a time, each with its line break */
  constructor(write: (lines: Buffer) => void) {
    this.#write = write;
  }

  add(piece: Buffer): void {
    const end = piece.lastIndexOf(lineBreak) + 1;
    if (end > 0) {
      const whole = piece.subarray(0, end);
      this.#write(this.#restBytes === 0 ? whole : Buffer.concat([...this.#rest, whole]));
      this.#rest = [];
      this.#restBytes = 0;
    }
    if (end === piece.length) return;
    this.#rest.push(piece.subarray(end));
    this.#restBytes += piece.length - end;
    if (this.#restBytes > maxRestBytes) this.end();
  }

  /** What is left becomes a line: the process has ended in the middle of it. */
  end(): void {
    if (this.#restBytes > 0) this.add(Buffer.from('\n'));
  }
}
