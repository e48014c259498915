import { seededRandom } from '../../../src/base/random.ts';
import type { GroupRequest } from '../../../src/reconcilers/rollout/group-request.ts';
import { PlacementsBuilder } from '../../../src/reconcilers/rollout/placements.ts';
import { inOrderOfPreference } from '../../../src/reconcilers/rollout/rollout-storage.ts';
import type { RolloutStorage } from '../../../src/reconcilers/rollout/rollout-storage.ts';

const storageCount = 160;

/** Where repositories with three replicas are, and how many of these have to stay. */
export interface Layout {
  readonly name: string;
  readonly minAvailableReplicas: number;
  /** Storages are in zones in turn; without zones nobody knows them. */
  readonly zones?: readonly string[];
  /** How many storages a virtual storage has; default all. */
  readonly storagesOfEach?: number;
  /** The k-th replica's storage is one of those whose index is k, modulo 3; default any. */
  readonly onePerZone?: boolean;
}

export const layouts: readonly Layout[] = [
  { name: 'random, 2 stay', minAvailableReplicas: 2 },
  { name: 'random, 1 stays', minAvailableReplicas: 1 },
  {
    name: 'one replica in each zone, 2 stay',
    minAvailableReplicas: 2,
    zones: ['a', 'b', 'c'],
    onePerZone: true,
  },
  { name: 'virtual storages of three, 2 stay', minAvailableReplicas: 2, storagesOfEach: 3 },
];

/** A request in which all storages should go, as many as may. */
export function requestOf(layout: Layout, repositories: number): GroupRequest<RolloutStorage> {
  const storages = storagesOf(layout);
  const names = storages.map(({ virtualStorage }) => virtualStorage);
  return {
    storages,
    candidates: inOrderOfPreference(storages),
    placements: placementsOf(layout, storages.length, repositories),
    limits: {
      minAvailableReplicas: new Map(names.map((name) => [name, layout.minAvailableReplicas])),
      groupSize: storages.length,
      maxUnavailable: storages.length,
    },
  };
}

function storagesOf({ zones = [], storagesOfEach = storageCount }: Layout): RolloutStorage[] {
  const count = storageCount - (storageCount % storagesOfEach);
  return Array.from({ length: count }, (_, index) => {
    const virtualStorage = `virtual-${Math.floor(index / storagesOfEach)}`;
    const name = `gitaly-${virtualStorage}-${index % storagesOfEach}`;
    const zone = zones[index % zones.length];
    return { virtualStorage, name, zone, primaries: (index * 7919) % 1000, disrupted: false };
  });
}

/** Each set once, as a proxy would count them. */
function placementsOf(layout: Layout, storages: number, repositories: number) {
  const draw = drawFrom(layout, storages);
  const counts = new Uint32Array(storages ** 3);
  for (let repository = 0; repository < repositories; repository++) {
    const [a = 0, b = 0, c = 0] = draw();
    const key = (a * storages + b) * storages + c;
    counts[key] = (counts[key] ?? 0) + 1;
  }
  const builder = new PlacementsBuilder();
  for (const [key, count] of counts.entries()) {
    if (count === 0) continue;
    const members = [Math.floor(key / storages ** 2), Math.floor(key / storages), key];
    builder.add(
      members.map((member) => member % storages),
      count,
      pathOf(key),
    );
  }
  return builder.build();
}

/** In one piece, as text is that has come over the wire: V8 keeps what was put together in pieces. */
function pathOf(key: number): string {
  const path = `@hashed/6b/86/${key.toString(16).padStart(64, '0')}.git`;
  return Buffer.from(path).toString('latin1');
}

/** @returns draws a repository's three storages, sorted */
function drawFrom({ storagesOfEach, onePerZone = false }: Layout, storages: number) {
  const random = seededRandom(1);
  const below = (limit: number) => Math.floor(random.next() * limit);
  const inZone = (zone: number) => 3 * below(Math.ceil((storages - zone) / 3)) + zone;
  return (): readonly number[] => {
    if (storagesOfEach === 3) {
      const first = 3 * below(storages / 3);
      return [first, first + 1, first + 2];
    }
    const drawn = new Set<number>();
    while (drawn.size < 3) drawn.add(onePerZone ? inZone(drawn.size) : below(storages));
    return [...drawn].toSorted((a, b) => a - b);
  };
}
