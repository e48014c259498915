import type { DescService } from '@bufbuild/protobuf';
import { deferred } from '../../src/base/deferred.ts';
import { systemClock, type Clock } from '../../src/base/clock.ts';
import { silentLogger, type Logger } from '../../src/base/logger.ts';
import { Scope, type Stoppable } from '../../src/base/scope.ts';
import type { ProxyServer } from '../../src/main/proxy-server.ts';
import type { Replica } from '../../src/proxy/routing/repository-record.ts';
import { createMemoryStore, type MemoryStore } from '../../src/proxy/store/memory-store.ts';
import type { WatchEvents } from '../../src/proxy/store/control-store.ts';
import { encodeMessage } from '../../src/proxy/wire/grpc-frame.ts';
import { openRpcChannel } from '../../src/rpc/channel.ts';
import { createRpcClient, type RpcClient } from '../../src/rpc/client.ts';
import { authorizationHeader } from '../../src/rpc/token.ts';
import { eventually } from './eventually.ts';
import { ignoreChanges } from './ignore-changes.ts';
import { startInProcessProxy } from './in-process-proxy.ts';
import { ScriptedStorage } from './scripted-storage.ts';
import { singleCall, type Answer, type SingleCallOptions } from './single-call.ts';

export interface ScriptedClusterOptions {
  /** Default 3. */
  readonly storages?: number;
  /** Default 2. */
  readonly minInSyncReplicas?: number;
  readonly logger?: Logger;
  /** The proxy's. Default: the machine's. */
  readonly clock?: Clock;
}

const gitalyToken = 'token of the storages';

/** Storages that answer as a test says, and a proxy before them: all in this process, on loopback. */
export class ScriptedCluster implements Stoppable {
  static readonly clientToken = 'token of the clients';

  readonly storages: readonly ScriptedStorage[];
  readonly #store: MemoryStore;
  readonly #scope: Scope;
  #proxy: ProxyServer | undefined;

  private constructor(storages: readonly ScriptedStorage[], scope: Scope) {
    this.storages = storages;
    this.#scope = scope;
    this.#store = createMemoryStore({ clock: systemClock });
  }

  /** Resolves when the proxy takes every storage for healthy. */
  static async start(options: ScriptedClusterOptions = {}): Promise<ScriptedCluster> {
    const {
      storages: count = 3,
      minInSyncReplicas = 2,
      logger = silentLogger,
      clock = systemClock,
    } = options;
    const scope = new Scope();
    const storages = await Promise.all(
      Array.from({ length: count }, (_, index) =>
        ScriptedStorage.start(`gitaly-${index}`, gitalyToken),
      ),
    );
    for (const storage of storages) scope.own(storage);
    const cluster = new ScriptedCluster(storages, scope);
    cluster.#proxy = scope.own(
      await startInProcessProxy({
        storages: storages.map(({ name, address }) => ({ name, address: `tcp://${address}` })),
        minInSyncReplicas,
        store: cluster.#store,
        clientToken: ScriptedCluster.clientToken,
        gitalyToken,
        config: { stop: { lameDuckMs: 0, callsMs: 1000 } },
        logger,
        clock,
      }),
    );
    await cluster.#untilHealthy(storages.map(({ name }) => name));
    return cluster;
  }

  get grpcPort(): number {
    return this.#proxy?.grpcPort ?? 0;
  }

  /** Makes a call with a token. `message` is the request's only message, without its prefix. */
  call(
    path: string,
    message: Uint8Array,
    options: Pick<SingleCallOptions, 'headers' | 'onData'> = {},
  ): Promise<Answer> {
    return this.callWithBody(path, encodeMessage(message), options);
  }

  /** Makes a call with a token. `body` holds the request's messages, with their prefixes. */
  callWithBody(
    path: string,
    body: Buffer,
    options: Pick<SingleCallOptions, 'headers' | 'onData'> = {},
  ): Promise<Answer> {
    const authorization = authorizationHeader(ScriptedCluster.clientToken, Date.now());
    const headers = { authorization, ...options.headers };
    return singleCall(this.grpcPort, { ...options, path, headers, body });
  }

  /** A client of a service. */
  rpc<Service extends DescService>(service: Service): RpcClient<Service> {
    const address = `tcp://127.0.0.1:${this.grpcPort}`;
    const secret = () => ScriptedCluster.clientToken;
    const channel = this.#scope.own(openRpcChannel({ clock: systemClock, address, secret }));
    return createRpcClient(service, channel);
  }

  storage(name: string): ScriptedStorage {
    const storage = this.storages.find((candidate) => candidate.name === name);
    if (storage === undefined) throw new Error(`there is no storage ${name}`);
    return storage;
  }

  /** Makes a repository's record; by default `gitaly-0` is its primary, and all storages are in sync. */
  async addRepository(
    relativePath: string,
    replicas: readonly Replica[] = this.storages.map(({ name }) => inSync(name)),
  ): Promise<void> {
    const id = await this.#store.nextRepositoryId();
    await this.#store.create({
      id,
      virtualStorage: 'default',
      relativePath,
      replicaPath: `@cluster/repositories/${id}`,
      epoch: 1n,
      lsn: 1n,
      primary: replicas[0]?.storage ?? '',
      replicas,
      intents: [],
    });
  }

  /** Lets a replica leave, and resolves when the proxy knows. */
  async letLeave(relativePath: string, storage: string): Promise<void> {
    const record = await this.#store.get({ virtualStorage: 'default', relativePath });
    if (record === undefined) throw new Error(`there is no repository ${relativePath}`);
    const replicas = record.replicas.map((replica) =>
      replica.storage === storage ? { ...replica, role: 'leaving' as const } : replica,
    );
    await this.#untilHeard(
      (heard) => ({
        onChanged(changed) {
          if (changed.id === record.id) heard();
        },
      }),
      () => this.#store.compareAndSwap({ ...record, replicas }),
    );
  }

  /** Cuts the proxy off from its store for a moment, and resolves when it has forgotten every repository. */
  async forgetRepositories(): Promise<void> {
    await this.#untilHeard(
      (heard) => ({ onReset: heard }),
      () => {
        this.#store.disconnect();
        this.#store.reconnect();
      },
    );
  }

  /** Does something, and resolves when who watches the store has heard of it: the proxy hears at the same time. */
  async #untilHeard(
    listen: (heard: () => void) => Partial<WatchEvents>,
    action: () => unknown,
  ): Promise<void> {
    const heard = deferred<void>();
    const watch = await this.#store.watch({ ...ignoreChanges, ...listen(heard.resolve) });
    await action();
    await heard.promise;
    await watch.stop();
  }

  /** Stops a storage, and resolves when the proxy knows. */
  async stopStorage(name: string): Promise<void> {
    await this.storage(name).stop();
    await eventually(`${name} is given up`, async () => !(await this.#healthy()).has(name));
  }

  async stop(): Promise<void> {
    await this.#scope.stop();
  }

  async #untilHealthy(names: readonly string[]): Promise<void> {
    await eventually('all storages are healthy', async () => {
      const healthy = await this.#healthy();
      return names.every((name) => healthy.has(name));
    });
  }

  async #healthy(): Promise<ReadonlySet<string>> {
    const response = await fetch(`http://127.0.0.1:${this.#proxy?.httpPort}/metrics`);
    const pattern = /gitaly_proxy_storage_healthy\{[^}]*storage="([^"]+)"\} 1/g;
    return new Set([...(await response.text()).matchAll(pattern)].map(([, name = '']) => name));
  }
}

/** A replica that is in sync in a record of {@link ScriptedCluster.addRepository}. */
export function inSync(storage: string): Replica {
  return { storage, lsn: 1n, role: 'voter' };
}
