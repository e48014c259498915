/**
 * Runs callbacks at the end of this turn of the event loop, one right after the other. Node.js runs
 * microtasks between callbacks of setImmediate; here they come after all: what those who share this
 * have put together goes out in one piece.
 */
export class TurnEnd {
  #waiting: (() => void)[] = [];

  /** Runs `callback` at the end of this turn, or of the next one if this one is just ending. */
  readonly defer = (callback: () => void): void => {
    if (this.#waiting.push(callback) === 1) setImmediate(this.#end);
  };

  readonly #end = (): void => {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const callback of waiting) callback();
  };
}
