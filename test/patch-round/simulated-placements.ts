import type { MessageInitShape } from '@bufbuild/protobuf';
import type { ListPlacementsResponseSchema } from '../../src/gen/gitaly_operator/v1/admin_pb.ts';
import type { SimulatedVirtualStorage } from './simulated-status.ts';

type Part = MessageInitShape<typeof ListPlacementsResponseSchema>;

/** As proxies send them. */
const setsOfPart = 1000;

/** Where the repositories are in sync now, as a proxy lists it. */
export function* placementsOf({
  storageNames,
  sets,
  world,
}: SimulatedVirtualStorage): Generator<Part> {
  const isInSync = storageNames.map((_, index) => world.storage(index).inSync);
  let part = emptyPart();
  yield { asOfMs: BigInt(Date.now()), storages: [...storageNames] };
  for (const [set, repositories] of sets.repositories.entries()) {
    const from = set * sets.replicas;
    const members = sets.members
      .subarray(from, from + sets.replicas)
      .filter((one) => isInSync[one]);
    if (members.length === 0) continue;
    part.sizes.push(members.length);
    part.members.push(...members);
    part.repositories.push(repositories);
    part.examples.push(`@hashed/6b/86/${set.toString(16).padStart(64, '0')}.git`);
    if (part.sizes.length < setsOfPart) continue;
    yield part;
    part = emptyPart();
  }
  yield part;
}

function emptyPart() {
  const numbers = (): number[] => [];
  const texts: string[] = [];
  return { sizes: numbers(), members: numbers(), repositories: numbers(), examples: texts };
}
