import { afterEach } from '@jest/globals';
import { fc } from '../../../../test/support/properties.ts';
import { sleep, systemClock } from '../../../base/clock.ts';
import type { Stoppable } from '../../../base/scope.ts';
import type {
  Barrier,
  Intent,
  Replica,
  RepositoryRecord,
} from '../../routing/repository-record.ts';
import type { Announcement } from '../announcement.ts';
import type { ControlStore, NewRepositoryRecord, WatchEvents } from '../control-store.ts';

/** How the conformance suite gets at one implementation of the control store. */
export interface Harness {
  /** Opens one more store over the same data, as another proxy does. */
  open(): Promise<ControlStore>;
  /** Makes every store lose the connection that it watches over. It comes back without help. */
  interrupt(): Promise<void>;
}

/** Opens stores in a test and stops them after it. */
export function useStores(harness: Harness): () => Promise<ControlStore> {
  const open: Stoppable[] = [];
  afterEach(async () => {
    await Promise.all(open.splice(0).map((store) => store.stop()));
  });
  return async () => {
    const store = await harness.open();
    open.push(store);
    return store;
  };
}

/** Starts `rounds` actions on each store, all at once. */
export function race<T>(
  stores: readonly ControlStore[],
  rounds: number,
  action: (store: ControlStore, index: number) => Promise<T>,
): Promise<T[]> {
  const actions = Array.from({ length: rounds }, (_, round) =>
    stores.map((store, position) => action(store, round * stores.length + position)),
  );
  return Promise.all(actions.flat());
}

/** A repository with a fresh id in which all is well, except for what `parts` say. */
export async function newRecord(
  store: ControlStore,
  parts: Partial<NewRepositoryRecord> = {},
): Promise<NewRepositoryRecord> {
  const id = await store.nextRepositoryId();
  return {
    id,
    virtualStorage: 'default',
    relativePath: `@hashed/${id}.git`,
    replicaPath: `@cluster/repositories/${id}`,
    epoch: 1n,
    lsn: 0n,
    primary: 'gitaly-0',
    replicas: ['gitaly-0', 'gitaly-1', 'gitaly-2'].map(inSyncReplica),
    intents: [],
    ...parts,
  };
}

function inSyncReplica(storage: string): Replica {
  return { storage, lsn: 0n, role: 'voter' };
}

/** Creates the record and returns what the store has made of it. */
export async function create(
  store: ControlStore,
  parts: Partial<NewRepositoryRecord> = {},
): Promise<RepositoryRecord> {
  const outcome = await store.create(await newRecord(store, parts));
  if (outcome.kind !== 'created') throw new Error('the record could not be created');
  return outcome.record;
}

/** Changes the record and returns what the store has made of it. */
export async function change(
  store: ControlStore,
  next: RepositoryRecord,
): Promise<RepositoryRecord> {
  const outcome = await store.compareAndSwap(next);
  if (outcome.kind !== 'swapped') throw new Error('the record was changed by somebody else');
  return outcome.record;
}

const anyInt64 = fc.bigInt({ min: -1n, max: 2n ** 63n - 2n });
const anyName = fc.string({ unit: 'grapheme', maxLength: 20 }).filter((it) => !it.includes('\0'));
const someStorage = fc.constantFrom('gitaly-0', 'gitaly-1', 'gitaly-2', 'gitaly-3');

const anyReplicas: fc.Arbitrary<Replica[]> = fc.uniqueArray(
  fc.record(
    {
      storage: someStorage,
      lsn: fc.bigInt({ min: 0n, max: 2n }),
      role: fc.constantFrom('voter', 'learner', 'leaving'),
      repair: fc.record(
        { id: fc.uuid(), owner: anyName, isVoid: fc.constant(true as const) },
        { requiredKeys: ['id', 'owner'] },
      ),
      lastFailure: anyName,
    },
    { requiredKeys: ['storage', 'lsn', 'role'] },
  ),
  { selector: (replica) => replica.storage, minLength: 1 },
);

const anyIntent: fc.Arbitrary<Intent> = fc.record({
  transaction: fc.uuid(),
  owner: anyName,
  kind: fc.constantFrom('write', 'creation'),
  epoch: anyInt64,
  voters: fc.uniqueArray(someStorage),
});

const anyBarrier: fc.Arbitrary<Barrier> = fc.record({ owner: anyName, expiresAtMs: fc.nat() });

const anyTrouble: fc.Arbitrary<Partial<NewRepositoryRecord>> = fc
  .record({
    lsn: fc.bigInt({ min: 0n, max: 2n }),
    replicas: anyReplicas,
    intents: fc.array(anyIntent, { maxLength: 2 }),
    barrier: fc.option(anyBarrier, { nil: undefined, freq: 3 }),
  })
  .map(({ barrier, ...parts }) => Object.assign(parts, barrier === undefined ? {} : { barrier }));

const noTrouble: fc.Arbitrary<Partial<NewRepositoryRecord>> = anyInt64.map((lsn) => ({
  lsn,
  replicas: [{ storage: 'gitaly-1', lsn, role: 'voter' }],
  intents: [],
}));

/** What may be different between records of repositories: a third of them are settled. */
export const anyParts: fc.Arbitrary<Partial<NewRepositoryRecord>> = fc
  .tuple(
    fc.record({ replicaPath: anyName, epoch: anyInt64, primary: someStorage }),
    fc.oneof({ weight: 2, arbitrary: anyTrouble }, { weight: 1, arbitrary: noTrouble }),
  )
  .map(([parts, trouble]) => Object.assign(parts, trouble));

export type WatchEvent =
  Announcement | { readonly kind: 'reset' } | { readonly kind: 'disconnected' };

/** Writes down what a watcher is told. */
export class WatchRecorder implements WatchEvents {
  readonly events: WatchEvent[] = [];
  readonly #onEvent = new Set<() => void>();

  onChanged(record: RepositoryRecord): void {
    this.#note({ kind: 'changed', record });
  }
  onInvalidated(...[id, key]: Parameters<WatchEvents['onInvalidated']>): void {
    this.#note({ kind: 'invalidated', id, key });
  }
  onRemoved(...[id, key, version]: Parameters<WatchEvents['onRemoved']>): void {
    this.#note({ kind: 'removed', id, key, version });
  }
  onAcknowledged(owner: string, id: bigint, version: bigint): void {
    this.#note({ kind: 'acknowledged', owner, id, version });
  }
  onReset(): void {
    this.#note({ kind: 'reset' });
  }
  onDisconnected(): void {
    this.#note({ kind: 'disconnected' });
  }

  /** What was told of one repository, without resets. */
  of(id: bigint): WatchEvent[] {
    return this.events.filter((event) => idOf(event) === id);
  }

  /** Resolves once an event is there that fits. The test's own limit applies. */
  async until(fits: (event: WatchEvent) => boolean): Promise<void> {
    await new Promise<void>((resolve) => {
      const look = () => {
        if (!this.events.some(fits)) return;
        this.#onEvent.delete(look);
        resolve();
      };
      this.#onEvent.add(look);
      look();
    });
  }

  #note(event: WatchEvent): void {
    this.events.push(event);
    for (const look of this.#onEvent) look();
  }
}

function idOf(event: WatchEvent): bigint | undefined {
  if (event.kind === 'changed') return event.record.id;
  return 'id' in event ? event.id : undefined;
}

/** Whether a call is answered. */
export function succeeds(call: Promise<unknown>): Promise<boolean> {
  return call.then(
    () => true,
    () => false,
  );
}

/** Resolves once `condition` holds; asks again and again. The test's own limit applies. */
export async function eventually(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(systemClock, 5);
}
