import { fc } from './properties.ts';
import type { NodeStatus, NodeView } from '../../src/proxy/routing/node-view.ts';
import type {
  Intent,
  Replica,
  RepositoryRecord,
} from '../../src/proxy/routing/repository-record.ts';
import type { ReplicationPolicy } from '../../src/proxy/routing/route.ts';
import type { RecordChange } from '../../src/proxy/transactions/record-change.ts';

/** A repository on `a`, `b` and `c` in which all is well, except for what `parts` say. */
export function recordWith(parts: Partial<RepositoryRecord> = {}): RepositoryRecord {
  return {
    id: 1n,
    virtualStorage: 'default',
    relativePath: 'a.git',
    replicaPath: '@cluster/repositories/6b/86/1',
    version: 1n,
    epoch: 1n,
    lsn: 5n,
    primary: 'a',
    replicas: [replica('a', 5n), replica('b', 5n), replica('c', 5n)],
    intents: [],
    ...parts,
  };
}

/** The record after a change, which is not to be refused. */
export function changed(change: RecordChange<unknown>): RepositoryRecord {
  if (change.kind !== 'change') throw new Error(`refused: ${String(change.reason)}`);
  return change.next;
}

export function replica(storage: string, lsn: bigint, role: Replica['role'] = 'voter'): Replica {
  return { storage, lsn, role };
}

export function intentOf(transaction: string, parts: Partial<Intent> = {}): Intent {
  return {
    transaction,
    owner: 'proxy-1',
    kind: 'write',
    epoch: 1n,
    voters: ['a', 'b', 'c'],
    ...parts,
  };
}

/** Idle healthy storages, but for what `unlike` says of some. */
export function nodesOf(
  storages: readonly string[],
  unlike: Readonly<Record<string, Partial<NodeStatus>>> = {},
): NodeView {
  return new Map(
    storages.map((storage) => [
      storage,
      { storage, healthy: true, outstanding: 0, isWriting: false, ...unlike[storage] },
    ]),
  );
}

/** The storages of {@link anyRecord} and {@link anyNodes}. */
export const someStorages: readonly string[] = ['a', 'b', 'c', 'd', 'e'];

/** Any record whose primary is in sync (invariant I5); some replicas may be missing or behind. */
export const anyRecord: fc.Arbitrary<RepositoryRecord> = fc
  .subarray([...someStorages], { minLength: 1 })
  .chain((holders) => {
    const [primary = ''] = holders;
    const others = holders.slice(1).map((storage) =>
      fc.record({
        storage: fc.constant(storage),
        lsn: fc.constantFrom(-1n, 3n, 5n),
        role: fc.constantFrom('voter' as const, 'learner' as const, 'leaving' as const),
      }),
    );
    return fc
      .tuple(...others)
      .chain((rest) => fc.shuffledSubarray([replica(primary, 5n), ...rest], { minLength: 1 }))
      .filter((replicas) => replicas.some(({ storage }) => storage === primary))
      .map((replicas) => recordWith({ primary, replicas }));
  });

/** Any policy that makes sense. */
export const anyPolicy: fc.Arbitrary<ReplicationPolicy> = fc
  .tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 5 }))
  .map(([a, b]) => ({ replicationFactor: Math.max(a, b), minInSyncReplicas: Math.min(a, b) }));

/** Any state of the storages that a proxy may see; one may be unknown to it. */
export const anyNodes: fc.Arbitrary<NodeView> = fc
  .subarray([...someStorages], { minLength: someStorages.length - 1 })
  .chain((known) =>
    fc.tuple(
      ...known.map((storage) =>
        fc.record({
          storage: fc.constant(storage),
          healthy: fc.boolean(),
          outstanding: fc.nat({ max: 12 }),
          isWriting: fc.boolean(),
          failsWrites: fc.boolean(),
          isDraining: fc.boolean(),
          isSteady: fc.boolean(),
          weight: fc.constantFrom(0, 50, 100, 400),
          isFull: fc.boolean(),
          zone: fc.constantFrom(undefined, 'x', 'y', 'z'),
        }),
      ),
    ),
  )
  .map((nodes) => new Map(nodes.map((node) => [node.storage, node])));
