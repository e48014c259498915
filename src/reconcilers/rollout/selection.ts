import type { Conflicts } from './conflicts.ts';

/** Candidates that go together, and which may still join them. */
export class Selection {
  readonly #conflicts: Conflicts;
  /** By storage: how many conflicts keep it out, itself among them if it is selected. */
  readonly #closed: Uint32Array;
  /** By bound: how many more of its members may be selected. */
  readonly #left: Uint32Array;
  readonly #selected: number[] = [];

  constructor(conflicts: Conflicts) {
    this.#conflicts = conflicts;
    this.#closed = new Uint32Array(conflicts.size);
    this.#left = conflicts.bounds.limits.slice();
  }

  /** In the order in which they came. */
  get selected(): readonly number[] {
    return this.#selected;
  }

  /** Whether the candidate may join. */
  isOpen(candidate: number): boolean {
    return this.#closed[candidate] === 0;
  }

  /**
   * Adds an open candidate.
   *
   * @returns how many steps it took
   */
  add(candidate: number): number {
    this.#selected.push(candidate);
    return this.#change(candidate, 1);
  }

  /** Takes the candidate out that came last. */
  removeLast(): void {
    const candidate = this.#selected.pop();
    if (candidate !== undefined) this.#change(candidate, -1);
  }

  #change(candidate: number, by: 1 | -1): number {
    const { pairs, size, bounds } = this.#conflicts;
    this.#close(candidate, by);
    for (let other = 0; other < size; other++) {
      if (pairs[candidate * size + other] === 1) this.#close(other, by);
    }
    const from = bounds.offsets[candidate] ?? 0;
    const to = bounds.offsets[candidate + 1] ?? 0;
    for (let at = from; at < to; at++) this.#use(bounds.sets[at] ?? 0, by);
    return size + to - from;
  }

  /** A bound closes its members while nothing of it is left. */
  #use(bound: number, by: 1 | -1): void {
    const before = this.#left[bound] ?? 0;
    const after = before - by;
    this.#left[bound] = after;
    if (before === 0 || after === 0) this.#closeMembers(bound, by);
  }

  #closeMembers(bound: number, by: 1 | -1): void {
    const { offsets, members } = this.#conflicts.bounds.placements;
    for (let at = offsets[bound] ?? 0; at < (offsets[bound + 1] ?? 0); at++) {
      this.#close(members[at] ?? 0, by);
    }
  }

  #close(storage: number, by: 1 | -1): void {
    this.#closed[storage] = (this.#closed[storage] ?? 0) + by;
  }
}
