import type { CallsLeft, DrainBoard, DrainRequest } from '../store/drain-board.ts';
import { isSameStorage, type StorageKey } from '../store/storage-identity.ts';

type Report = Awaited<ReturnType<DrainBoard['reports']>>[number];

/** How far the drain of a storage is: see {@link DrainBoard}. */
export interface DrainProgress extends StorageKey {
  /** At least one. */
  readonly requests: readonly DrainRequest[];
  /** Live proxies that have not taken note. */
  readonly unaware: readonly string[];
  /** Of all live proxies together, one entry a class. */
  readonly calls: readonly CallsLeft[];
  /** Nobody is unaware, and no calls are left. */
  readonly isDrained: boolean;
}

/**
 * What follows from the board for each storage that somebody wants drained.
 *
 * @param live the proxies whose leases have not run out
 */
export function drainProgress(
  requests: readonly DrainRequest[],
  reports: readonly Report[],
  live: Iterable<string>,
): readonly DrainProgress[] {
  const owners = [...live];
  return firstOfEach(requests).map(({ virtualStorage, storage }) => {
    const asked = requests.filter((request) => isSameStorage(request, { virtualStorage, storage }));
    const told = new Map(
      reports
        .filter(({ id }) => asked.some((request) => request.id === id))
        .map(({ owner, calls }) => [owner, calls]),
    );
    const unaware = owners.filter((owner) => !told.has(owner));
    const calls = inTotal(owners.flatMap((owner) => told.get(owner) ?? []));
    const isDrained = unaware.length === 0 && calls.length === 0;
    return { virtualStorage, storage, requests: asked, unaware, calls, isDrained };
  });
}

/** The first request of each storage. */
function firstOfEach(requests: readonly DrainRequest[]): readonly DrainRequest[] {
  return requests.filter(
    (request, index) => index === requests.findIndex((other) => isSameStorage(other, request)),
  );
}

function inTotal(calls: readonly CallsLeft[]): readonly CallsLeft[] {
  const total = new Map<string, CallsLeft>();
  for (const some of calls) {
    const others = total.get(some.class);
    const older = others !== undefined && others.oldestMs > some.oldestMs ? others : some;
    total.set(some.class, { ...older, count: some.count + (others?.count ?? 0) });
  }
  return [...total.values()].filter(({ count }) => count > 0);
}
