import type { Conflicts } from './conflicts.ts';
import { Selection } from './selection.ts';

/** In single steps, such as a look at one candidate or bound: some tens of milliseconds. */
export const searchBudget = 5_000_000;

/**
 * Branch and bound: goes through groups candidate by candidate, with it and without it, and leaves out what cannot
 * become larger than the best group so far. For that the candidates are covered by cliques: sets of which no two may go
 * together. A group has one of each clique at most.
 */
export class GroupSearch {
  readonly #room: number;
  readonly #selection: Selection;
  /** The candidates, clique by clique. */
  readonly #order: readonly number[];
  /** By place in the order: the clique's number. */
  readonly #cliques: readonly number[];
  #budget: number;
  #best: readonly number[] = [];

  /**
   * @param room how large a group may be
   * @param budget how many steps it may take. Not a time, so that equal searches find equal groups.
   */
  constructor(conflicts: Conflicts, room: number, budget: number) {
    this.#room = room;
    this.#budget = budget;
    this.#selection = new Selection(conflicts);
    const cover = cliqueCover(conflicts);
    this.#order = cover.flat();
    this.#cliques = cover.flatMap((clique, number) => clique.map(() => number));
  }

  /** A larger group: the largest, if the budget suffices. Undefined if none was found. */
  largerThan(known: readonly number[]): readonly number[] | undefined {
    this.#best = known;
    this.#search(0);
    return this.#best === known ? undefined : this.#best;
  }

  /** Tries what the candidates from this place on can add to the selection. */
  #search(from: number): void {
    const selection = this.#selection;
    if (selection.selected.length > this.#best.length) this.#best = [...selection.selected];
    for (let place = from; place < this.#order.length; place++) {
      const candidate = this.#order[place] ?? -1;
      if (!selection.isOpen(candidate)) continue;
      if (!this.#mayBecomeLarger(place)) return;
      this.#budget -= selection.add(candidate);
      this.#search(place + 1);
      selection.removeLast();
    }
  }

  #mayBecomeLarger(from: number): boolean {
    if (this.#budget <= 0) return false;
    this.#budget -= this.#order.length - from;
    let most = this.#selection.selected.length;
    let counted = -1;
    for (let place = from; place < this.#order.length; place++) {
      const clique = this.#cliques[place] ?? -1;
      if (clique === counted || !this.#selection.isOpen(this.#order[place] ?? -1)) continue;
      counted = clique;
      most += 1;
    }
    return Math.min(most, this.#room) > this.#best.length;
  }
}

/** Each candidate joins the first clique that it fits into. */
function cliqueCover({ candidates, size, pairs }: Conflicts): readonly (readonly number[])[] {
  const cliques: number[][] = [];
  for (const candidate of candidates) {
    const fits = (clique: readonly number[]) =>
      clique.every((other) => pairs[candidate * size + other] === 1);
    const clique = cliques.find(fits);
    if (clique === undefined) cliques.push([candidate]);
    else clique.push(candidate);
  }
  return cliques;
}
