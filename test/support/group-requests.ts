import { clusterState } from '../../src/reconcilers/rollout/cluster-state.ts';
import { findConflicts, type Conflicts } from '../../src/reconcilers/rollout/conflicts.ts';
import { heldBack } from '../../src/reconcilers/rollout/held-back.ts';
import type { GroupRequest } from '../../src/reconcilers/rollout/group-request.ts';
import { PlacementsBuilder } from '../../src/reconcilers/rollout/placements.ts';
import type { RolloutStorage } from '../../src/reconcilers/rollout/rollout-storage.ts';
import { fc } from './properties.ts';

/** Repositories with the same in-sync storages, in words. */
export interface Placement {
  readonly on: readonly RolloutStorage[];
  readonly repositories: number;
  readonly example: string;
}

/** A request, and the placements in words: what tests judge plans by. */
export interface SmallRequest extends GroupRequest<RolloutStorage> {
  readonly sets: readonly Placement[];
}

/** A storage of virtual storage `default`, undisturbed unless said otherwise. */
export function storage(name: string, given: Partial<RolloutStorage> = {}): RolloutStorage {
  return { virtualStorage: 'default', name, primaries: 0, disrupted: false, ...given };
}

/** A request in which all storages should go, one of them at a time where nothing else is given. */
export function requestFor(
  storages: readonly RolloutStorage[],
  sets: readonly Placement[],
  given: Partial<GroupRequest<RolloutStorage>['limits']> & {
    readonly candidates?: readonly RolloutStorage[];
  } = {},
): SmallRequest {
  const { candidates = storages, ...limits } = given;
  const names = storages.map(({ virtualStorage }) => virtualStorage);
  const minAvailableReplicas = new Map(names.map((name) => [name, 1]));
  const builder = new PlacementsBuilder();
  for (const { on, repositories, example } of sets) {
    builder.add(
      on.map((one) => storages.indexOf(one)),
      repositories,
      example,
    );
  }
  return {
    storages,
    candidates,
    placements: builder.build(),
    limits: {
      minAvailableReplicas,
      groupSize: storages.length,
      maxUnavailable: storages.length,
      ...limits,
    },
    sets,
  };
}

/** Between those of the candidates that are available and that no repository keeps from going alone. */
export function conflictsIn(request: SmallRequest): Conflicts {
  const state = clusterState(request);
  const { repositories } = heldBack(state, state.disrupted);
  const isFree = (index: number) => repositories[index] === 0 && state.disrupted[index] === 0;
  return findConflicts(state, state.wanted.filter(isFree));
}

const storageFields = {
  zone: fc.constantFrom(undefined, 'a', 'b', 'c'),
  primaries: fc.nat(3),
  disrupted: fc.integer({ min: 0, max: 4 }).map((number) => number === 0),
};

const storagesOf = (virtualStorage: string, isAnyDisrupted: boolean) =>
  fc.array(fc.record(storageFields), { minLength: 1, maxLength: 6 }).map((all) =>
    all.map(({ disrupted, ...fields }, number) =>
      storage(`${virtualStorage}-${number}`, {
        ...fields,
        virtualStorage,
        disrupted: disrupted && isAnyDisrupted,
      }),
    ),
  );

const minAvailableReplicas = fc
  .tuple(fc.nat(3), fc.nat(3))
  .map(([x, y]) => new Map(Object.entries({ x, y })));

const limits = fc.record({
  minAvailableReplicas,
  groupSize: fc.oneof(fc.constant(12), fc.nat(6)),
  maxUnavailable: fc.oneof(fc.constant(12), fc.nat(8)),
});

const smallRequest = (
  isAnyDisrupted: boolean,
  limits: fc.Arbitrary<Partial<GroupRequest<RolloutStorage>['limits']>>,
): fc.Arbitrary<SmallRequest> =>
  fc
    .tuple(storagesOf('x', isAnyDisrupted), storagesOf('y', isAnyDisrupted), limits)
    .chain(([x, y, limits]) => {
      const storages = [...x, ...y];
      const set = fc.record({
        on: fc.oneof(fc.shuffledSubarray(x), fc.shuffledSubarray(y)),
        repositories: fc.integer({ min: 1, max: 5 }),
      });
      return fc
        .tuple(fc.array(set, { maxLength: 15 }), fc.shuffledSubarray(storages))
        .map(([sets, candidates]) =>
          requestFor(storages, sets.map(withExample), { ...limits, candidates }),
        );
    });

/** Any small cluster of two virtual storages, whatever its limits and placements. */
export const anyRequest = smallRequest(true, limits);

/** The same where nothing is disrupted, and only repositories and zones are limits. */
export const undisruptedRequest = smallRequest(false, fc.record({ minAvailableReplicas }));

/**
 * A cluster of three zones, in which each repository has one replica in each and needs two of them. Other limits are
 * far away.
 */
export const onePerZone: fc.Arbitrary<SmallRequest> = fc
  .array(fc.record(storageFields), { minLength: 3, maxLength: 60 })
  .chain((fields) => {
    const storages = fields.map((given, number) =>
      storage(`x-${number}`, {
        ...given,
        disrupted: given.disrupted && number === 0,
        zone: 'abc'[number % 3],
      }),
    );
    const inZone = (zone: string) =>
      fc.constantFrom(...storages.filter((one) => one.zone === zone));
    const on = fc.tuple(inZone('a'), inZone('b'), inZone('c'));
    return requestsOn(storages, fc.array(on, { maxLength: 100 }), 2);
  });

/** A cluster without zones, in which each repository has two replicas and needs one. Other limits are far away. */
export const onePair: fc.Arbitrary<SmallRequest> = fc
  .integer({ min: 2, max: 80 })
  .chain((count) => {
    const storages = Array.from({ length: count }, (_, number) => storage(`x-${number}`));
    const on = fc.shuffledSubarray(storages, { minLength: 2, maxLength: 2 });
    return requestsOn(storages, fc.array(on, { maxLength: 4 * count }), 1);
  });

function requestsOn(
  storages: readonly RolloutStorage[],
  places: fc.Arbitrary<readonly (readonly RolloutStorage[])[]>,
  least: number,
): fc.Arbitrary<SmallRequest> {
  const minAvailableReplicas = new Map([['default', least]]);
  return fc.tuple(places, fc.shuffledSubarray([...storages])).map(([places, candidates]) => {
    const sets = places.map((on, number) => withExample({ on, repositories: 1 }, number));
    return requestFor(storages, sets, { minAvailableReplicas, candidates });
  });
}

function withExample<T extends object>(set: T, number: number): T & { readonly example: string } {
  return { ...set, example: `set-${number}.git` };
}

/** What breaks a limit if `group` goes: the limits themselves, said once more and as plainly as can be. */
export function brokenLimits(
  { storages, sets, limits }: SmallRequest,
  group: readonly RolloutStorage[],
): readonly string[] {
  const { groupSize, maxUnavailable } = limits;
  const isAway = (one: RolloutStorage) => one.disrupted || group.includes(one);
  const away = storages.filter(isAway);
  const taken = group.filter((one) => !one.disrupted);
  const zones = new Set(away.flatMap(({ zone }) => zone ?? []));
  const broken: string[] = [];
  if (group.length > groupSize) broken.push('groupFull');
  if (taken.length > 0 && away.length > maxUnavailable) broken.push('maxUnavailable');
  if (taken.some(({ zone }) => zone !== undefined) && zones.size > 1) broken.push('otherZone');
  if (
    sets.some((set) => lacks({ limits }, set, isAway) && set.on.some((one) => taken.includes(one)))
  )
    broken.push('repositories');
  return broken;
}

/** Whether the set's repositories have fewer than `minAvailableReplicas` while these are away. */
export function lacks(
  { limits }: Pick<SmallRequest, 'limits'>,
  { on }: Placement,
  isAway: (storage: RolloutStorage) => boolean,
): boolean {
  const least = limits.minAvailableReplicas.get(on[0]?.virtualStorage ?? '') ?? 0;
  return on.filter((one) => !isAway(one)).length < least;
}

/** How many can go together at most, by trying all. */
export function largestByBruteForce(request: SmallRequest): number {
  const { candidates } = request;
  let largest = 0;
  for (let chosen = 0; chosen < 2 ** candidates.length; chosen++) {
    const group = candidates.filter((_, at) => (chosen >> at) % 2 === 1);
    if (group.length > largest && brokenLimits(request, group).length === 0) largest = group.length;
  }
  return largest;
}
