import type { MessageInitShape } from '@bufbuild/protobuf';
import { seededRandom } from '../../../src/base/random.ts';
import {
  AdminService,
  type ListPlacementsResponseSchema,
} from '../../../src/gen/gitaly_operator/v1/admin_pb.ts';
import { implement, startRpcServer, type RpcServer } from '../../support/rpc-server.ts';
import { storagesOf, type Layout } from './layouts.ts';

/** As proxies send them. */
const setsOfPart = 1000;

/** Starts what tells where the repositories of a layout are, as a proxy does: each set of storages once. */
export async function startPlacementServer(
  layout: Layout,
  repositories: number,
): Promise<RpcServer> {
  const storages = storagesOf(layout);
  const counts = countSets(layout, storages.length, repositories);
  const admin = implement(AdminService, {
    async *listPlacements({ virtualStorage }) {
      const isOwn = (one: { readonly virtualStorage: string }) =>
        one.virtualStorage === virtualStorage;
      const first = storages.findIndex(isOwn);
      yield { asOfMs: 0n, storages: storages.filter(isOwn).map(({ name }) => name) };
      yield* partsOf(counts, storages.length, first, storages.findLastIndex(isOwn));
    },
  });
  return startRpcServer([admin]);
}

/** By `(a * storages + b) * storages + c`: how many repositories have storages a, b and c, sorted. */
export function countSets(layout: Layout, storages: number, repositories: number): Uint32Array {
  const draw = drawFrom(layout, storages);
  const counts = new Uint32Array(storages ** 3);
  for (let repository = 0; repository < repositories; repository++) {
    const [a = 0, b = 0, c = 0] = draw();
    const key = (a * storages + b) * storages + c;
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}

/** The sets on storages from `first` to `last`, with indexes that begin with 0 at `first`. */
function* partsOf(
  counts: Uint32Array,
  storages: number,
  first: number,
  last: number,
): Generator<MessageInitShape<typeof ListPlacementsResponseSchema>> {
  let keys: number[] = [];
  for (let key = first * storages ** 2; key < (last + 1) * storages ** 2; key++) {
    if (counts[key] !== 0) keys.push(key);
    if (keys.length < setsOfPart) continue;
    yield partOf(keys);
    keys = [];
  }
  yield partOf(keys);

  function partOf(keys: readonly number[]) {
    const members = keys.flatMap((key) => [key / storages ** 2, key / storages, key]);
    return {
      sizes: keys.map(() => 3),
      members: members.map((member) => (Math.floor(member) % storages) - first),
      repositories: keys.map((key) => counts[key] ?? 0),
      examples: keys.map((key) => `@hashed/6b/86/${key.toString(16).padStart(64, '0')}.git`),
    };
  }
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
