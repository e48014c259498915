import { TextList } from './text-list.ts';
import { Uint32List } from './uint32-list.ts';

/**
 * Where repositories are in sync: for each set of storages, how many repositories have their in-sync voters
 * there. Numbers and texts lie one behind the other, since there may be half a million sets: with replicas on three
 * storages a set takes 24 bytes and those of its example.
 *
 * A storage is its index in the list of storages that goes to the planner with this. The members of set `s` are
 * `members[offsets[s]]` up to, and without, `members[offsets[s + 1]]`. The same set may be there more than once.
 */
export interface Placements {
  /** One more than there are sets. */
  readonly offsets: Uint32Array;
  readonly members: Uint32Array;
  /** How many repositories have the set. */
  readonly repositories: Uint32Array;
  /** One of them: its relative path. */
  readonly examples: TextList;
}

/** Takes the sets one at a time. */
export class PlacementsBuilder {
  readonly #offsets = new Uint32List();
  readonly #members = new Uint32List();
  readonly #repositories = new Uint32List();
  readonly #examples = new TextList();

  constructor() {
    this.#offsets.push(0);
  }

  /** How much memory is needed for what was added. */
  get byteLength(): number {
    const numbers =
      this.#offsets.byteLength + this.#members.byteLength + this.#repositories.byteLength;
    return numbers + this.#examples.byteLength;
  }

  /**
   * Adds one set. One without members has no effect: no storage serves these repositories, so none can be missed.
   *
   * @param members indexes of storages of one virtual storage, in any order, each once
   * @param repositories how many have it, from 1 on
   * @param example the relative path of one of them
   * @throws RangeError if these are no such numbers: a plan that is made from them could be wrong
   */
  add(members: readonly number[], repositories: number, example: string): void {
    if (!isIndexList(members)) {
      throw new RangeError(`not indexes of different storages: ${members.join(', ')}`);
    }
    if (!isCount(repositories) || repositories === 0) {
      throw new RangeError(`not a number of repositories: ${repositories}`);
    }
    for (const member of members) this.#members.push(member);
    this.#offsets.push(this.#members.length);
    this.#repositories.push(repositories);
    this.#examples.push(example);
  }

  /** What was added, without a copy: add no more afterwards. */
  build(): Placements {
    return {
      offsets: this.#offsets.toArray(),
      members: this.#members.toArray(),
      repositories: this.#repositories.toArray(),
      examples: this.#examples,
    };
  }
}

/** Calls `visit` for each set with where its members begin and end in `placements.members`. */
export function forEachSet(
  { offsets, repositories }: Placements,
  visit: (set: number, from: number, to: number) => void,
): void {
  for (let set = 0; set < repositories.length; set++) {
    visit(set, offsets[set] ?? 0, offsets[set + 1] ?? 0);
  }
}

function isIndexList(members: readonly number[]): boolean {
  return members.every((member, at) => isCount(member) && members.indexOf(member) === at);
}

function isCount(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value < 2 ** 32;
}
