import type { Conflicts } from './conflicts.ts';
import { GroupSearch, searchBudget } from './group-search.ts';
import { Selection } from './selection.ts';

/**
 * Looks for many candidates that may go together: an independent set of the conflicts' hypergraph. The largest one is
 * NP-hard to find. Steps:
 *
 * 1. In order: each candidate joins that may.
 * 2. For each part, first those of the part and then the others: in order, and those first that are in conflict with
 *    the fewest others.
 * 3. A search through all groups that may be larger than the best of these, which ends when there are none left, or
 *    when it has cost as much as it may. In the former case nothing is larger.
 *
 * What it returns is maximal: nothing more may join, unless there are `room` already. Of groups of the same size the
 * first that was found wins. Step 2 finds at least the sum of 1 / (1 + conflicts) over the candidates of any part, as
 * long as conflicts are pairs: Turán's bound, which the greedy algorithm of least degree keeps.
 *
 * @param parts candidates among which there may be large groups, such as those of one zone
 * @param room how many may go at most
 * @param budget for step 3: see `GroupSearch`
 */
export function largestGroup(
  conflicts: Conflicts,
  parts: readonly (readonly number[])[],
  room: number,
  budget = searchBudget,
): readonly number[] {
  const all = conflicts.candidates;
  let best: readonly number[] = [];
  const attempt = (way: Way, part: readonly number[]) => {
    if (best.length >= Math.min(room, all.length)) return;
    const selection = new Selection(conflicts);
    way(selection, { conflicts, part, room });
    inOrder(selection, { conflicts, part: all, room });
    if (selection.selected.length > best.length) best = selection.selected;
  };
  attempt(inOrder, all);
  for (const part of parts) {
    attempt(inOrder, part);
    attempt(fewestConflictsFirst, part);
  }
  return new GroupSearch(conflicts, room, budget).largerThan(best) ?? best;
}

interface Attempt {
  readonly conflicts: Conflicts;
  readonly part: readonly number[];
  readonly room: number;
}

type Way = (selection: Selection, attempt: Attempt) => void;

function inOrder(selection: Selection, { part, room }: Attempt): void {
  for (const candidate of part) {
    if (selection.selected.length >= room) return;
    if (selection.isOpen(candidate)) selection.add(candidate);
  }
}

/** The greedy algorithm of least degree. Among equals those in the fewest bounds, then the first. */
function fewestConflictsFirst(selection: Selection, { conflicts, part, room }: Attempt): void {
  const { pairs, size } = conflicts;
  const { offsets } = conflicts.bounds;
  const open = new Set(part);
  const degrees = new Uint32Array(size);
  const addDegrees = (candidate: number, by: 1 | -1) => {
    for (const other of open) {
      if (pairs[candidate * size + other] === 1) degrees[other] = (degrees[other] ?? 0) + by;
    }
  };
  const boundsOf = (candidate: number) => (offsets[candidate + 1] ?? 0) - (offsets[candidate] ?? 0);
  const compare = (a: number, b: number) =>
    (degrees[a] ?? 0) - (degrees[b] ?? 0) || boundsOf(a) - boundsOf(b);
  for (const candidate of part) addDegrees(candidate, 1);
  while (open.size > 0 && selection.selected.length < room) {
    selection.add([...open].reduce((least, one) => (compare(one, least) < 0 ? one : least)));
    for (const candidate of open) {
      if (selection.isOpen(candidate)) continue;
      open.delete(candidate);
      addDegrees(candidate, -1);
    }
  }
}
