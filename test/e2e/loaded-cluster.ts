import type { Scope } from '../../src/base/scope.ts';
import { createGitalyClient, type GitalyClient } from '../../src/client/gitaly-client.ts';
import {
  exampleManifest,
  GitalyClusterUnderTest,
  type Manifest,
} from '../scenario/gitaly-cluster.ts';
import { installGitlab } from '../scenario/gitlab.ts';
import { dropNamespace, freshNamespace } from '../scenario/product.ts';
import { reach } from '../scenario/reach.ts';
import { goProgram, goProgramLimitMs } from '../support/go-program.ts';
import { SteadyGoClient } from '../support/steady-go-client.ts';
import { callTasks, patience, type LoadTask } from '../support/steady-load.ts';
import { openCluster, type Cluster } from '../testbed/cluster.ts';
import { lineProgress } from '../testbed/progress.ts';
import { gitTasks, loadTarget } from './load-check.ts';

export interface LoadedClusterOptions {
  readonly namespace: string;
  /** Default `gitaly`. */
  readonly name?: string;
  /** What replaces parts of the example's spec. */
  readonly spec?: Manifest['spec'];
  /** Installs what the cluster needs besides, in its namespace. */
  prepare?(cluster: Cluster): Promise<void>;
}

/** How long {@link LoadedCluster.start} may take. */
export const loadedClusterLimitMs = goProgramLimitMs + 600_000;

const port = 8075;

/** A GitalyCluster in a namespace of its own, and clients that use it while a test changes it. */
export class LoadedCluster {
  readonly cluster: Cluster;
  readonly underTest: GitalyClusterUnderTest;
  /** As it was applied. */
  readonly manifest: Manifest;
  readonly client: GitalyClient;
  /** Of the proxies' Service, as `host:port`. */
  readonly address: string;
  readonly token: string;
  readonly #scope: Scope;

  private constructor(
    parts: Pick<
      LoadedCluster,
      'cluster' | 'underTest' | 'manifest' | 'client' | 'address' | 'token'
    >,
    scope: Scope,
  ) {
    this.cluster = parts.cluster;
    this.underTest = parts.underTest;
    this.manifest = parts.manifest;
    this.client = parts.client;
    this.address = parts.address;
    this.token = parts.token;
    this.#scope = scope;
  }

  /** Resolves when the cluster serves. @param scope what everything belongs to, the namespace included */
  static async start(scope: Scope, options: LoadedClusterOptions): Promise<LoadedCluster> {
    const { namespace, name = 'gitaly', spec = {} } = options;
    await goProgram('steady');
    const cluster = await openCluster(lineProgress((line) => process.stderr.write(line)));
    await freshNamespace(cluster, namespace);
    scope.onStop(() => dropNamespace(cluster, namespace));
    await installGitlab(cluster, namespace);
    await options.prepare?.(cluster);
    const underTest = scope.own(new GitalyClusterUnderTest(cluster, namespace, name));
    const example = await exampleManifest(cluster, namespace, name);
    const manifest = { ...example, spec: { ...example.spec, ...spec } };
    await underTest.apply(manifest);
    const token = await underTest.token('client-token');
    const service = { namespace, kind: 'service', name: `${name}-proxy` } as const;
    const reached = scope.own(await reach(cluster, service, port));
    const address = `${reached.host}:${reached.port}`;
    const client = scope.own(
      createGitalyClient({ address: `tcp://${address}`, token, ...patience }),
    );
    return new LoadedCluster({ cluster, underTest, manifest, client, address, token }, scope);
  }

  /** Applies the manifest with parts of its spec replaced, which stay so. */
  async change(spec: Manifest['spec']): Promise<void> {
    Object.assign(this.manifest.spec, spec);
    const input = JSON.stringify(this.manifest);
    await this.cluster.kubectl(['apply', '-f', '-'], { input });
  }

  /** Calls of our own client, and those of {@link gitTasks}. */
  async tasks(): Promise<readonly LoadTask[]> {
    const { client, underTest } = this;
    return [
      ...callTasks('own', client, await loadTarget(client, 'own.git')),
      ...(await gitTasks(this.#scope, await underTest.git(), client)),
    ];
  }

  /**
   * Starts a client that tries nothing twice but what gRPC in Go tries by itself.
   *
   * @param target in the notation of gRPC. Default: the Service
   */
  async startGoClient(
    prefix = 'go',
    target = `passthrough:///${this.address}`,
  ): Promise<SteadyGoClient> {
    const { repository, commit } = await loadTarget(this.client, `${prefix}.git`);
    const { relativePath, storageName: storage } = repository;
    const where = { target, token: this.token, storage, relativePath };
    return this.#scope.own(await SteadyGoClient.start({ ...where, commit, prefix }));
  }

  /** What a person reads with `kubectl describe`. */
  async events(): Promise<string> {
    const path = ['-n', this.underTest.namespace, 'get', 'events', '--field-selector'];
    return this.cluster.kubectl([...path, 'involvedObject.kind=GitalyCluster']);
  }
}
