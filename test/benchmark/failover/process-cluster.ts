import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../../src/base/clock.ts';
import { Scope, type Stoppable } from '../../../src/base/scope.ts';
import { createGitalyClient, type GitalyClient } from '../../../src/client/gitaly-client.ts';
import { CommitService } from '../../../src/gen/gitaly/commit_pb.ts';
import type { RepositoryStatus } from '../../../src/gen/gitaly_operator/v1/admin_pb.ts';
import { openRpcChannel } from '../../../src/rpc/channel.ts';
import { createRpcClient, type RpcClient } from '../../../src/rpc/client.ts';
import { spawnStorageNode, type SpawnedStorageNode } from '../../storage-node/spawn.ts';
import { freePort } from '../../support/free-port.ts';
import { ownLoopback } from '../../support/own-loopback.ts';
import { startPostgres, type PostgresServer } from '../../support/postgres-server.ts';
import { ProxyProcess } from '../../support/proxy-process.ts';
import { waitFor } from '../../scenario/wait-for.ts';

export const virtualStorage = 'default';

const storageNames = ['gitaly-0', 'gitaly-1', 'gitaly-2'];
const clientToken = 'token of the clients';
const gitalyToken = 'token of the storages';
const limitMs = 120_000;

interface Place {
  readonly name: string;
  readonly root: string;
  readonly port: number;
}

/**
 * Three storages, two proxies and their database, each a process on this machine: faults strike at once
 * and at a known time, without Kubernetes in between.
 */
export class ProcessCluster implements Stoppable {
  /** A client of the first proxy. */
  readonly client: GitalyClient;
  /** Calls through each of the proxies that are made once, and not again if they fail. */
  readonly readers: readonly RpcClient<typeof CommitService>[];
  readonly database: PostgresServer;
  readonly #scope: Scope;
  readonly #places: readonly Place[];
  readonly #storages: Map<string, SpawnedStorageNode>;

  private constructor(parts: {
    readonly scope: Scope;
    readonly database: PostgresServer;
    readonly places: readonly Place[];
    readonly storages: Map<string, SpawnedStorageNode>;
    readonly proxies: readonly ProxyProcess[];
  }) {
    const { scope, database, places, storages, proxies } = parts;
    this.#scope = scope;
    this.database = database;
    this.#places = places;
    this.#storages = storages;
    const addresses = proxies.map(({ grpcPort }) => `tcp://127.0.0.1:${grpcPort}`);
    this.client = scope.own(
      createGitalyClient({ address: addresses[0] ?? '', token: clientToken, deadlineMs: 60_000 }),
    );
    this.readers = addresses.map((address) => {
      const secret = () => clientToken;
      const channel = scope.own(openRpcChannel({ clock: systemClock, address, secret }));
      return createRpcClient(CommitService, channel);
    });
  }

  static async start(): Promise<ProcessCluster> {
    const scope = new Scope();
    const folder = await mkdtemp(join(tmpdir(), 'failover-'));
    scope.onStop(() => rm(folder, { recursive: true, force: true }));
    const database = scope.own(await startPostgres());
    const places: Place[] = [];
    for (const name of storageNames) {
      places.push({ name, root: join(folder, name), port: await freePort() });
    }
    const storages = new Map<string, SpawnedStorageNode>();
    scope.onStop(async () => {
      await Promise.all([...storages.values()].map((storage) => storage.stop()));
    });
    for (const place of places) storages.set(place.name, await startStorage(place));
    const proxies = [
      scope.own(await startProxy(database, places)),
      scope.own(await startProxy(database, places)),
    ];
    const cluster = new ProcessCluster({ scope, database, places, storages, proxies });
    await cluster.#waitUntilHealthy();
    return cluster;
  }

  /** Starts a storage again that has ended. */
  async startStorage(name: string): Promise<void> {
    const place = this.#places.find((candidate) => candidate.name === name);
    if (place === undefined) throw new Error(`there is no storage ${name}`);
    this.#storages.set(name, await startStorage(place));
  }

  storage(name: string): SpawnedStorageNode {
    const storage = this.#storages.get(name);
    if (storage === undefined) throw new Error(`storage ${name} does not run`);
    return storage;
  }

  async repository(relativePath: string): Promise<RepositoryStatus> {
    for await (const status of this.client.admin.listRepositories({
      virtualStorage,
      relativePath,
    })) {
      return status;
    }
    throw new Error(`there is no repository ${relativePath}`);
  }

  /** Waits until every storage serves, and every replica of a repository is in sync. */
  async waitUntilWhole(relativePath: string): Promise<void> {
    await this.#waitUntilHealthy();
    await waitFor(`the replicas of ${relativePath} to be in sync`, limitMs, async () => {
      const { replicas } = await this.repository(relativePath);
      const behind = replicas.filter(({ inSync }) => !inSync).map(({ storage }) => storage);
      return behind.length === 0 && replicas.length === storageNames.length
        ? undefined
        : `behind: ${behind.join(', ')}`;
    });
  }

  stop(): Promise<void> {
    return this.#scope.stop();
  }

  async #waitUntilHealthy(): Promise<void> {
    await waitFor('the storages to be healthy', limitMs, async () => {
      const { virtualStorages } = await this.client.admin.getStatus({});
      const storages = virtualStorages[0]?.storages ?? [];
      const lost = storages.filter(({ healthy }) => !healthy).map(({ name }) => name);
      return lost.length === 0 && storages.length > 0 ? undefined : `lost: ${lost.join(', ')}`;
    });
  }
}

function startStorage(place: Place): Promise<SpawnedStorageNode> {
  return spawnStorageNode({ ...place, token: gitalyToken });
}

function startProxy(database: PostgresServer, places: readonly Place[]): Promise<ProxyProcess> {
  const storages = places.map(({ name, port }) => ({
    name,
    address: `tcp://${ownLoopback}:${port}`,
  }));
  return ProxyProcess.start({
    virtualStorages: [
      { name: virtualStorage, replicationFactor: 3, minInSyncReplicas: 2, storages },
    ],
    store: database.coordinates('postgres'),
    clientToken,
    gitalyToken,
  });
}
