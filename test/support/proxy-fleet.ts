import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ProxyConfig, VirtualStorageConfig } from '../../src/api/proxy-config.ts';
import { Scope, type Stoppable } from '../../src/base/scope.ts';
import { startStorageNode } from '../storage-node/start.ts';
import { eventually } from './eventually.ts';
import { freePort } from './free-port.ts';
import type { DatabaseCoordinates } from './postgres-server.ts';
import { ProxyProcess } from './proxy-process.ts';
import { ServiceRelay } from './service-relay.ts';

/**
 * Proxies as Kubernetes runs them: each a process with an address of its own, all with the same port,
 * behind a Service and behind a name. They can be replaced as a Deployment does it.
 */
export class ProxyFleet implements Stoppable {
  static readonly clientToken = 'token of the clients';
  static readonly gitalyToken = 'token of the storages';

  /** The port that every proxy has on its own address. */
  readonly port: number;
  readonly service: ServiceRelay;
  readonly #scope: Scope;
  readonly #database: DatabaseCoordinates;
  readonly #virtualStorage: VirtualStorageConfig;
  readonly #config: Partial<ProxyConfig>;
  readonly #members = new Map<string, ProxyProcess>();
  #lastHost = 1;

  private constructor(options: {
    readonly port: number;
    readonly service: ServiceRelay;
    readonly scope: Scope;
    readonly database: DatabaseCoordinates;
    readonly virtualStorage: VirtualStorageConfig;
    readonly config: Partial<ProxyConfig>;
  }) {
    this.port = options.port;
    this.service = options.service;
    this.#scope = options.scope;
    this.#database = options.database;
    this.#virtualStorage = options.virtualStorage;
    this.#config = options.config;
  }

  /**
   * Starts three storages and so many proxies.
   *
   * @param config what else is to be in their configuration
   */
  static async start(
    database: DatabaseCoordinates,
    proxies: number,
    config: Partial<ProxyConfig> = {},
  ): Promise<ProxyFleet> {
    const scope = new Scope();
    const root = await mkdtemp(join(tmpdir(), 'proxy-fleet-'));
    scope.onStop(() => rm(root, { recursive: true, force: true }));
    const storages = [];
    for (const name of ['gitaly-0', 'gitaly-1', 'gitaly-2']) {
      const node = await startStorageNode({
        name,
        root: join(root, name),
        token: ProxyFleet.gitalyToken,
      });
      storages.push({ name, address: `tcp://${scope.own(node).address}` });
    }
    const policy = { replicationFactor: 3, minInSyncReplicas: 2 };
    const fleet = new ProxyFleet({
      port: await freePort(),
      service: scope.own(await ServiceRelay.start()),
      scope,
      database,
      virtualStorage: { name: 'default', ...policy, storages },
      config,
    });
    for (let index = 0; index < proxies; index++) await fleet.#add();
    return fleet;
  }

  /** What a further proxy of the same storages is told. */
  get storages(): VirtualStorageConfig {
    return this.#virtualStorage;
  }

  /** The proxies that are ready. */
  get proxies(): readonly ProxyProcess[] {
    return [...this.#members.values()];
  }

  /** The addresses of the proxies that are ready: what the headless Service's name resolves to. */
  get hosts(): readonly string[] {
    return [...this.#members.keys()];
  }

  /**
   * Replaces every proxy, one at a time: a new one becomes ready, an old one is told to stop and, as
   * soon as it says that it is not ready, taken out of the Service and of the name.
   *
   * @returns the exit codes of the old ones
   */
  async rollOut(): Promise<readonly (number | null)[]> {
    const old = [...this.#members];
    const exits = [];
    for (const [host, proxy] of old) {
      await this.#add();
      proxy.signal('SIGTERM');
      // One that has gone already is asked in vain.
      await eventually('the proxy says that it stops', () =>
        proxy.isReady().then(
          (isReady) => !isReady,
          () => true,
        ),
      );
      this.#members.delete(host);
      this.#publish();
      exits.push(proxy.exitCode);
    }
    return Promise.all(exits);
  }

  stop(): Promise<void> {
    return this.#scope.stop();
  }

  async #add(): Promise<void> {
    const host = `127.0.0.${++this.#lastHost}`;
    const proxy = await ProxyProcess.start({
      virtualStorages: [this.#virtualStorage],
      store: this.#database,
      clientToken: ProxyFleet.clientToken,
      gitalyToken: ProxyFleet.gitalyToken,
      grpcListen: `${host}:${this.port}`,
      stop: { lameDuckMs: 5000, callsMs: 60_000 },
      config: this.#config,
    });
    this.#scope.own(proxy);
    this.#members.set(host, proxy);
    this.#publish();
  }

  #publish(): void {
    this.service.use(this.hosts.map((host) => ({ host, port: this.port })));
  }
}
