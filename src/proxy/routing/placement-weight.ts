/** What people have set: a number, see {@link typicalWeight}, or that the free space decides. */
export type ConfiguredWeight = number | 'auto';

/** What a storage says of its disk. */
export interface DiskSpace {
  readonly freeBytes: number;
  /** More than 0. */
  readonly totalBytes: number;
}

export interface WeighedStorage {
  readonly name: string;
  readonly configuredWeight: ConfiguredWeight;
  /** Undefined if nobody knows. */
  readonly disk: DiskSpace | undefined;
}

/** What counts when a storage is chosen for a replica. */
export interface PlacementWeight {
  /** 0 or more: one that weighs twice as much is taken twice as often. */
  readonly weight: number;
  /** Whether nothing more should be put there: a disk that is full fails the writes of all that is there already. */
  readonly isFull: boolean;
}

/** What a storage weighs that has as much room as most others have. By hand, 50 is half as much as that. */
export const typicalWeight = 100;

/** A disk of which less is free counts as full. Repositories that are there already need room to grow. */
const keptFree = 0.05;

/**
 * What the storages of a virtual storage weigh.
 *
 * 1. A full one weighs nothing, whatever people have set: they cannot have wanted that.
 * 2. What people have set counts as it is.
 * 3. Of the rest each weighs by its room: the free bytes above those that are kept free, where the median room is
 *    {@link typicalWeight}. One whose disk nobody knows is taken for typical.
 */
export function placementWeights(
  storages: readonly WeighedStorage[],
): ReadonlyMap<string, PlacementWeight> {
  const rooms = storages.flatMap(({ configuredWeight, disk }) => {
    const room = configuredWeight === 'auto' && disk !== undefined ? roomOn(disk) : 0;
    return room > 0 ? [room] : [];
  });
  const medianRoom = median(rooms);
  return new Map(
    storages.map(({ name, configuredWeight, disk }) => {
      const room = disk && roomOn(disk);
      const byRoom = room === undefined ? typicalWeight : (room / medianRoom) * typicalWeight;
      const weight = configuredWeight === 'auto' ? byRoom : configuredWeight;
      const isFull = room === 0;
      return [name, { weight: isFull ? 0 : weight, isFull }];
    }),
  );
}

function roomOn({ freeBytes, totalBytes }: DiskSpace): number {
  return Math.max(0, freeBytes - totalBytes * keptFree);
}

/** NaN of nothing. */
function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (index: number) => sorted[Math.floor(index)] ?? Number.NaN;
  return (at((sorted.length - 1) / 2) + at(sorted.length / 2)) / 2;
}
