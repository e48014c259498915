import { Scope, type Stoppable } from '../../../src/base/scope.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import type { NodeView } from '../../../src/proxy/routing/node-view.ts';
import type { ControlStore } from '../../../src/proxy/store/control-store.ts';
import { connect, migrate } from '../../../src/proxy/store/testing.ts';
import { StorageDirectory, VirtualStorage } from '../../../src/proxy/upstream/storage-directory.ts';
import { RepositoryView } from '../../../src/proxy/view/repository-view.ts';
import { copyRecord } from '../../support/many-records.ts';
import type { DatabaseCoordinates } from '../../support/postgres-server.ts';
import { nodesOf, recordWith, replica } from '../../support/repository-records.ts';

/** What the process of one point is told. */
export interface Order {
  readonly records: number;
  readonly database: DatabaseCoordinates;
}

/** What one of something costs this process. */
export interface Cost {
  readonly what: string;
  /** User and system. */
  readonly cpuUs: number;
  /** From its beginning to its end, the database's part included. */
  readonly ms: number;
  /** Calls of the store. */
  readonly queries: number;
  /** What is kept in memory afterwards, in MiB, beyond what was before. */
  readonly heapMiB: number;
}

/** A proxy's parts over a database with many records, in each of which `c` is behind. */
export interface Records extends Stoppable {
  readonly count: number;
  readonly owner: string;
  readonly store: ControlStore;
  readonly view: RepositoryView;
  readonly storages: StorageDirectory;
  /** Whether `c` can be reached. */
  setReturned(isReturned: boolean): void;
  /** What `work` costs, divided by what it returns: how often it was done. */
  measure(what: string, work: () => Promise<number>): Promise<Cost>;
}

/** A store whose calls may take long: what counts here is what they cost. */
const limits = { connectMs: 60_000, callMs: 60_000 };

export async function startRecords({ records: count, database }: Order): Promise<Records> {
  await migrate(database);
  const scope = new Scope();
  let queries = 0;
  const store = counted(scope.own(await connect(database, { limits })), () => (queries += 1));
  await fill(store, count, database);
  const owner = 'proxy-1';
  const common = { clock: systemClock, logger: silentLogger, owner, store };
  const outage = { failed() {}, worked() {} };
  const view = scope.own(new RepositoryView({ ...common, outage }));
  await view.start();
  const policy = { replicationFactor: 3, minInSyncReplicas: 2 };
  const virtualStorage = new VirtualStorage('default', policy, []);
  let nodes: NodeView = nodesOf(['a', 'b', 'c']);
  virtualStorage.nodes = () => nodes;
  return {
    count,
    owner,
    store,
    view,
    storages: new StorageDirectory([virtualStorage]),
    setReturned(isReturned) {
      nodes = nodesOf(['a', 'b', 'c'], { c: { healthy: isReturned } });
    },
    async measure(what, work) {
      const heapBefore = heapMiB();
      const queriesBefore = queries;
      const startedMs = performance.now();
      const cpuBefore = process.cpuUsage();
      const times = await work();
      const { user, system } = process.cpuUsage(cpuBefore);
      const ms = (performance.now() - startedMs) / times;
      const cpuUs = (user + system) / times;
      const perTime = (queries - queriesBefore) / times;
      return { what, cpuUs, ms, queries: perTime, heapMiB: heapMiB() - heapBefore };
    },
    stop: () => scope.stop(),
  };
}

async function fill(store: ControlStore, count: number, database: DatabaseCoordinates) {
  const id = await store.nextRepositoryId();
  const replicas = [replica('a', 5n), replica('b', 5n), replica('c', 4n)];
  const { version: _, ...model } = recordWith({ id, replicas });
  await store.create(model);
  const { host, port, dbname, username, password } = database;
  const client = { host, port, database: dbname, user: username, password };
  await copyRecord(client, model, count - 1);
}

/** The store, with each call told. */
function counted(store: ControlStore, onCall: () => void): ControlStore {
  return new Proxy(store, {
    get(target, name) {
      const part: unknown = Reflect.get(target, name, target);
      if (typeof part !== 'function') return part;
      return (...args: unknown[]) => {
        onCall();
        return Reflect.apply(part, target, args);
      };
    },
  });
}

function heapMiB(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed / 2 ** 20;
}
