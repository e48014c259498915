/** A replica that is to be moved. */
export interface PlannedMove {
  readonly relativePath: string;
  readonly from: string;
  readonly to: string;
}

/**
 * Which of the planned moves go on at once: so many from or to a storage at most, and one of a repository, in the order of
 * the plan.
 */
export class MoveSchedule<M extends PlannedMove = PlannedMove> {
  readonly #perStorage: number;
  #waiting: readonly M[];
  readonly #running = new Set<M>();

  /** @param perStorage at least 1 */
  constructor(moves: readonly M[], perStorage: number) {
    this.#waiting = moves;
    this.#perStorage = perStorage;
  }

  get running(): readonly M[] {
    return [...this.#running];
  }

  get isDone(): boolean {
    return this.#waiting.length === 0 && this.#running.size === 0;
  }

  /** The moves that may begin now; they run from now on. */
  begin(): readonly M[] {
    const taken = new Map<string, number>();
    const busy = new Set<string>();
    const take = (storage: string) => taken.set(storage, (taken.get(storage) ?? 0) + 1);
    const isFree = (storage: string) => (taken.get(storage) ?? 0) < this.#perStorage;
    for (const { from, to, relativePath } of this.#running) {
      take(from);
      take(to);
      busy.add(relativePath);
    }
    const begun: M[] = [];
    this.#waiting = this.#waiting.filter((move) => {
      const { from, to, relativePath } = move;
      const mayBegin = isFree(from) && isFree(to) && !busy.has(relativePath);
      // Also one that has to wait: a later move of that repository comes after it.
      busy.add(relativePath);
      if (!mayBegin) return true;
      take(from);
      take(to);
      begun.push(move);
      return false;
    });
    for (const move of begun) this.#running.add(move);
    return begun;
  }

  end(move: M): void {
    this.#running.delete(move);
  }
}
