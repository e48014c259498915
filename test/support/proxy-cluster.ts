import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DescService } from '@bufbuild/protobuf';
import { systemClock } from '../../src/base/clock.ts';
import { silentLogger, type Logger } from '../../src/base/logger.ts';
import { Scope, type Stoppable } from '../../src/base/scope.ts';
import {
  createGitalyClient,
  type GitalyClient,
  type GitalyClientOptions,
} from '../../src/client/gitaly-client.ts';
import type { ProxyServerOptions } from '../../src/main/proxy-server-options.ts';
import type { ProxyServer } from '../../src/main/proxy-server.ts';
import type { ControlStore } from '../../src/proxy/store/control-store.ts';
import { MemoryDatabase } from '../../src/proxy/store/memory-database.ts';
import { createMemoryStore } from '../../src/proxy/store/memory-store.ts';
import { openRpcChannel } from '../../src/rpc/channel.ts';
import { createRpcClient, type RpcClient } from '../../src/rpc/client.ts';
import type { CertificateAuthority } from './certificate-authority.ts';
import { eventually } from './eventually.ts';
import { startInProcessProxy } from './in-process-proxy.ts';
import { ownLoopback } from './own-loopback.ts';
import { SilentRelay } from './silent-relay.ts';
import { patience, patientMs } from './steady-load.ts';
import type { Handler } from '../storage-node/grpc/handler.ts';
import { startStorageNode, type StartedStorageNode } from '../storage-node/start.ts';

export interface ProxyClusterOptions {
  /** Default 3. */
  readonly storages?: number;
  /** Default 1. */
  readonly proxies?: number;
  /** Default: as many as there are storages. */
  readonly replicationFactor?: number;
  /** Default 2. */
  readonly minInSyncReplicas?: number;
  /** Storages that the proxies know of. Default: all. */
  readonly known?: readonly string[];
  /** Storages that are to hold nothing. Default: none. */
  readonly decommissioned?: readonly string[];
  /** Opens a store for one proxy. Default: memory that all share. */
  openStore?(): Promise<ControlStore>;
  readonly logger?: Logger;
  /** Where the storages ask whether pushes are allowed. Default: nowhere, all are. */
  readonly gitlab?: { readonly url: string };
  /** What a storage is to serve besides, or in place of, what storage nodes do. */
  handlers?(storage: string): readonly Handler[];
  /** Further configuration of the proxies. */
  readonly config?: Partial<ProxyServerOptions['config']>;
  /** What else is to be special about the proxies. */
  readonly proxy?: Partial<
    Pick<
      ProxyServerOptions,
      'clientTokens' | 'gitalyTokens' | 'certificate' | 'storageCa' | 'recheckAfterMs'
    >
  >;
  /** Whoever signs the storages' certificates. The proxies speak TLS with them then. */
  readonly storageAuthority?: CertificateAuthority;
  /** Whether the proxies reach the storages by relays that can fall silent. Default: directly. */
  readonly relays?: boolean;
}

/** Storage nodes with real git, proxies before them, and a client: all in this process, on loopback. */
export class ProxyCluster implements Stoppable {
  static readonly clientToken = 'token of the clients';
  static readonly gitalyToken = 'token of the storages';

  readonly nodes: StartedStorageNode[];
  readonly proxies: ProxyServer[] = [];
  /** Of the storages that were restarted with another one. */
  readonly #otherTokens = new Map<string, string>();
  readonly #relays = new Map<string, SilentRelay>();
  readonly #options: ProxyClusterOptions;
  readonly #folder: string;
  readonly #scope = new Scope();
  readonly #database = new MemoryDatabase({ clock: systemClock });

  private constructor(options: ProxyClusterOptions, folder: string, nodes: StartedStorageNode[]) {
    this.#options = options;
    this.#folder = folder;
    this.nodes = nodes;
  }

  static async start(options: ProxyClusterOptions = {}): Promise<ProxyCluster> {
    const folder = await mkdtemp(join(tmpdir(), 'proxy-cluster-'));
    const nodes: StartedStorageNode[] = [];
    for (let index = 0; index < (options.storages ?? 3); index++) {
      nodes.push(await startNode(folder, index, options, { token: ProxyCluster.gitalyToken }));
    }
    const cluster = new ProxyCluster(options, folder, nodes);
    if (options.relays) await cluster.#startRelays();
    for (let index = 0; index < (options.proxies ?? 1); index++) await cluster.startProxy();
    return cluster;
  }

  /** Adds a proxy, with other options if need be, and returns it when it serves. */
  async startProxy(
    other: Pick<ProxyClusterOptions, 'replicationFactor' | 'decommissioned' | 'known'> = {},
  ): Promise<ProxyServer> {
    const options = { ...this.#options, ...other };
    const { minInSyncReplicas = 2, logger = silentLogger } = options;
    const { replicationFactor = this.nodes.length, decommissioned = [], known } = options;
    const nodes = this.nodes.filter(({ name }) => known?.includes(name) ?? true);
    const proxy = await startInProcessProxy({
      storages: nodes.map(({ name, address, tlsAddress }) => ({
        name,
        address:
          tlsAddress === undefined
            ? `tcp://${this.#relays.get(name)?.address ?? address}`
            : `tls://${tlsAddress}`,
        decommissioned: decommissioned.includes(name),
      })),
      replicationFactor,
      minInSyncReplicas,
      store: await this.#openStore(),
      owner: `proxy-${this.proxies.length}`,
      clientToken: ProxyCluster.clientToken,
      gitalyToken: ProxyCluster.gitalyToken,
      ...options.proxy,
      ...(options.config !== undefined && { config: options.config }),
      logger: logger.child({ proxy: this.proxies.length }),
    });
    this.proxies.push(proxy);
    await waitUntil('the proxy is ready', () => isReady(proxy));
    return proxy;
  }

  /** Brings a node back at its old address, after it was stopped; maybe with another token. */
  async restartNode(name: string, token = this.#tokenOf(name)): Promise<StartedStorageNode> {
    const index = this.nodes.findIndex((node) => node.name === name);
    const old = this.nodes[index];
    if (old === undefined) throw new Error(`there is no storage ${name}`);
    const node = await startNode(this.#folder, index, this.#options, { token, old });
    this.#otherTokens.set(name, token);
    this.nodes[index] = node;
    return node;
  }

  node(name: string): StartedStorageNode {
    const node = this.nodes.find((candidate) => candidate.name === name);
    if (node === undefined) throw new Error(`there is no storage ${name}`);
    return node;
  }

  /** The proxies' way to a storage, with the option `relays`. */
  relay(name: string): SilentRelay {
    const relay = this.#relays.get(name);
    if (relay === undefined) throw new Error(`there is no relay to ${name}`);
    return relay;
  }

  /** A client of one of the proxies, with more patience than usual. */
  client(proxy = 0, options: Pick<GitalyClientOptions, 'deadlineMs'> = {}): GitalyClient {
    const port = this.proxies[proxy]?.grpcPort;
    if (port === undefined) throw new Error(`there is no proxy ${proxy}`);
    const address = `tcp://127.0.0.1:${port}`;
    const token = ProxyCluster.clientToken;
    return this.#scope.own(createGitalyClient({ address, token, ...patience, ...options }));
  }

  /** A client of a service that the client library leaves out; with another secret, or none, if need be. */
  rpc<Service extends DescService>(
    service: Service,
    options: { readonly proxy?: number; readonly secret?: string | undefined } = {},
  ): RpcClient<Service> {
    const { proxy = 0, secret = ProxyCluster.clientToken } = options;
    const address = `tcp://127.0.0.1:${this.proxies[proxy]?.grpcPort}`;
    const signing = secret === '' ? {} : { secret: () => secret };
    const patient = { clock: systemClock, deadlineMs: patientMs };
    const channel = this.#scope.own(openRpcChannel({ ...patient, address, ...signing }));
    return createRpcClient(service, channel);
  }

  /** A client of one of the storages. */
  storageClient(name: string): GitalyClient {
    const { address } = this.node(name);
    return this.#scope.own(
      createGitalyClient({
        address: `tcp://${address}`,
        token: this.#tokenOf(name),
        ...patience,
      }),
    );
  }

  async stop(): Promise<void> {
    await this.#scope.stop();
    await Promise.all(this.proxies.map((proxy) => proxy.stop()));
    await Promise.all(this.nodes.map((node) => node.stop()));
    await rm(this.#folder, { recursive: true, force: true });
  }

  #tokenOf(storage: string): string {
    return this.#otherTokens.get(storage) ?? ProxyCluster.gitalyToken;
  }

  async #startRelays(): Promise<void> {
    for (const { name, address } of this.nodes) {
      this.#relays.set(name, this.#scope.own(await SilentRelay.start(address)));
    }
  }

  async #openStore(): Promise<ControlStore> {
    const { openStore } = this.#options;
    if (openStore !== undefined) return openStore();
    return createMemoryStore({ clock: systemClock, database: this.#database });
  }
}

/** @param old the one that was there before, whose ports it takes over */
function startNode(
  folder: string,
  index: number,
  { storageAuthority, handlers, gitlab }: ProxyClusterOptions,
  { token, old }: { readonly token: string; readonly old?: StartedStorageNode },
): Promise<StartedStorageNode> {
  const name = `gitaly-${index}`;
  return startStorageNode({
    name,
    root: join(folder, name),
    token,
    port: portOf(old?.address),
    gracefulRestartTimeoutMs: patientMs,
    handlers: handlers?.(name) ?? [],
    ...(gitlab && { gitlab: { url: gitlab.url, secret: 'not checked' } }),
    ...(storageAuthority && {
      tls: {
        ...storageAuthority.issue({ names: `IP:${ownLoopback}` }),
        trusted: storageAuthority.cert,
        port: portOf(old?.tlsAddress),
      },
    }),
  });
}

function portOf(address: string | undefined): number {
  return Number(/:(\d+)$/.exec(address ?? '')?.[1] ?? 0);
}

async function isReady(proxy: ProxyServer): Promise<boolean> {
  const response = await fetch(`http://127.0.0.1:${proxy.httpPort}/metrics`);
  const metrics = await response.text();
  return !/gitaly_proxy_storage_healthy\{[^}]*\} 0/.test(metrics);
}

/** Waits for a condition, looking often. Rejects after `limitMs`. */
export async function waitUntil(
  what: string,
  condition: () => boolean | Promise<boolean>,
  limitMs = 60_000,
): Promise<void> {
  await eventually(what, condition, limitMs);
}
