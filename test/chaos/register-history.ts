/**
 * A reference of a repository, seen as a register: one value, which writes replace and reads return. All
 * times are milliseconds of one clock that never goes back.
 */
export type Operation = Write | Read;

/** Somebody gave the register a value that no other write gives it. */
export interface Write {
  readonly kind: 'write';
  readonly value: string;
  /** Who, for a person who reads about it. */
  readonly by: string;
  readonly startMs: number;
  readonly endMs: number;
  /**
   * - `ok`: it was acknowledged;
   * - `refused`: its client was told that nothing was written;
   * - `unknown`: it may have happened, or may happen at any time to come.
   */
  readonly outcome: 'ok' | 'refused' | 'unknown';
  /** What its client was told, if it failed. */
  readonly error?: string;
}

/** Somebody was told what the register holds. A read that failed tells nothing, and is not listed. */
export interface Read {
  readonly kind: 'read';
  /** Undefined: no write's, but what was there before all of them. */
  readonly value: string | undefined;
  readonly by: string;
  readonly startMs: number;
  readonly endMs: number;
}

/** What happened to many registers, each by a name. */
export class RegisterHistory {
  readonly #operations = new Map<string, Operation[]>();

  add(register: string, operation: Operation): void {
    const operations = this.#operations.get(register);
    if (operations === undefined) this.#operations.set(register, [operation]);
    else operations.push(operation);
  }

  of(register: string): readonly Operation[] {
    return this.#operations.get(register) ?? [];
  }

  [Symbol.iterator](): IterableIterator<readonly [string, readonly Operation[]]> {
    return this.#operations.entries();
  }
}

/** One line about an operation. */
export function describeOperation(operation: Operation): string {
  const { kind, by, value, startMs, endMs } = operation;
  const when = `${startMs.toFixed(1)} to ${endMs.toFixed(1)} ms`;
  const how = kind === 'write' && operation.outcome !== 'ok' ? ` (${operation.outcome})` : '';
  return `${by} ${kind === 'write' ? 'writes' : 'reads'} ${value ?? 'nothing'}${how}, ${when}`;
}
