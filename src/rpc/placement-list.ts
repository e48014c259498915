import type { ListPlacementsResponse } from '../gen/gitaly_operator/v1/admin_pb.ts';

/** Storages that hold repositories in sync and vote on them. */
export interface PlacedRepositories {
  /** Names, each once. */
  readonly storages: readonly string[];
  /** How many repositories are in sync on exactly these. */
  readonly repositories: number;
  /** The relative path of one of them. */
  readonly example: string;
}

/**
 * Reads the answer of `AdminService.ListPlacements`: the same storages may come more than once.
 *
 * @throws Error if a part contradicts itself: what was read before is not to be used then either
 */
export async function* readPlacements(
  parts: AsyncIterable<ListPlacementsResponse>,
): AsyncGenerator<PlacedRepositories> {
  const names: string[] = [];
  for await (const { storages, sizes, members, repositories, examples } of parts) {
    names.push(...storages);
    let from = 0;
    for (const [set, size] of sizes.entries()) {
      const placed = members.slice(from, from + size).flatMap((member) => names[member] ?? []);
      const count = repositories[set];
      const example = examples[set];
      const isWhole = size > 0 && placed.length === size;
      if (!isWhole || count === undefined || example === undefined) {
        throw new Error('the list of placements is damaged');
      }
      from += size;
      yield { storages: placed, repositories: count, example };
    }
  }
}
