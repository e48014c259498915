import type { RolloutStorage } from '../../../src/reconcilers/rollout/rollout-storage.ts';

const defaultStorages = 160;

/** Where repositories with three replicas are, and how many of these have to stay. */
export interface Layout {
  readonly name: string;
  readonly minAvailableReplicas: number;
  /** Default 160. */
  readonly storages?: number;
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

/** @throws Error if there is no such layout */
export function layoutNamed(name: string): Layout {
  const layout = layouts.find((one) => one.name === name);
  if (layout === undefined) throw new Error(`there is no layout ${name}`);
  return layout;
}

/** All storages of the layout, virtual storage by virtual storage. */
export function storagesOf({
  zones = [],
  storages = defaultStorages,
  storagesOfEach = storages,
}: Layout): readonly RolloutStorage[] {
  const count = storages - (storages % storagesOfEach);
  return Array.from({ length: count }, (_, index) => {
    const virtualStorage = `virtual-${Math.floor(index / storagesOfEach)}`;
    const name = `gitaly-${virtualStorage}-${index % storagesOfEach}`;
    const zone = zones[index % zones.length];
    return { virtualStorage, name, zone, primaries: (index * 7919) % 1000, disrupted: false };
  });
}
