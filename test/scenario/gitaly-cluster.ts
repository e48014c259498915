import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { load } from 'js-yaml';
import type { GitalyClusterStatus } from '../../src/api/generated/gitaly-cluster.ts';
import { Scope, type Stoppable } from '../../src/base/scope.ts';
import { createGitalyClient, type GitalyClient } from '../../src/client/gitaly-client.ts';
import type { RepositoryStatus } from '../../src/gen/gitaly_operator/v1/admin_pb.ts';
import { patience } from '../support/steady-load.ts';
import type { Cluster } from '../testbed/cluster.ts';
import { tryRun, type RunResult } from '../testbed/run.ts';
import { Git } from './git.ts';
import { gitlabSpec } from './gitlab.ts';
import { reach } from './reach.ts';
import { waitFor } from './wait-for.ts';

/** A Kubernetes object, as far as the scenarios look at it. */
export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string };
  spec: Record<string, unknown>;
}

export const virtualStorage = 'default';
const grpcPort = 8075;

/** The object in a file of `examples/`. */
export async function exampleObject(file: string): Promise<Manifest> {
  return load(await readFile(`examples/${file}.yaml`, 'utf8')) as Manifest;
}

/** The example cluster with the images of the cluster that it is tried on, and its GitLab. */
export async function exampleManifest(
  cluster: Cluster,
  namespace: string,
  name = 'gitaly',
): Promise<Manifest> {
  const manifest = await exampleObject('gitalycluster');
  const { database } = manifest.spec as { database: { managed: object } };
  return {
    ...manifest,
    metadata: { name, namespace },
    spec: {
      ...manifest.spec,
      gitaly: { image: cluster.images.gitaly },
      gitlab: gitlabSpec,
      database: { managed: { ...database.managed, image: cluster.images.postgres } },
    },
  };
}

/** A GitalyCluster as the API server has it. */
interface Observed {
  readonly metadata: { readonly generation: number };
  readonly status?: GitalyClusterStatus;
}

/** One look is not to use up the time for all: after a node's death it may wait for a proxy that is gone. */
const lookOptions = { deadlineMs: 10_000 } as const;

/** A GitalyCluster that runs, and the ways into it. */
export class GitalyClusterUnderTest implements Stoppable {
  readonly cluster: Cluster;
  readonly namespace: string;
  readonly name: string;
  readonly #scope = new Scope();

  constructor(cluster: Cluster, namespace: string, name = 'gitaly') {
    this.cluster = cluster;
    this.namespace = namespace;
    this.name = name;
  }

  /** Applies a manifest and waits until the cluster serves and its data is safe. */
  async apply(manifest: Manifest, limitMs = 360_000): Promise<void> {
    await this.cluster.kubectl(['apply', '-f', '-'], { input: JSON.stringify(manifest) });
    await this.waitUntilSafe(limitMs);
  }

  /** Waits until the operator says so of the spec as it is now. */
  async waitUntilSafe(limitMs = 300_000): Promise<void> {
    await waitFor(
      `GitalyCluster ${this.namespace}/${this.name} to be ready and safe`,
      limitMs,
      async () => {
        const { metadata, status = {} } = await this.#read();
        const { phase, data, reason, message, observedGeneration } = status;
        if (observedGeneration !== metadata.generation) {
          return `the operator has seen ${observedGeneration}, not ${metadata.generation}`;
        }
        const done = phase === 'Ready' && data === 'Safe';
        return done ? undefined : `phase ${phase}, data ${data}, ${reason}: ${message}`;
      },
    );
  }

  async status(): Promise<GitalyClusterStatus> {
    return (await this.#read()).status ?? {};
  }

  /** What a person sees. */
  table(): Promise<string> {
    return this.cluster.kubectl(['-n', this.namespace, 'get', 'gitalyclusters', '-o', 'wide']);
  }

  /** A client of the proxies, with more patience than usual. */
  async client(): Promise<GitalyClient> {
    const target = {
      namespace: this.namespace,
      kind: 'service',
      name: `${this.name}-proxy`,
    } as const;
    const { host, port } = this.#scope.own(await reach(this.cluster, target, grpcPort));
    const token = await this.token('client-token');
    const address = `tcp://${host}:${port}`;
    return this.#scope.own(createGitalyClient({ address, token, ...patience }));
  }

  /** A client of one storage, past the proxies. */
  async storageClient(storage: string): Promise<GitalyClient> {
    return this.podClient(storage, await this.token('gitaly-token'));
  }

  /** A client of one pod, whatever it is, that signs with a token. */
  async podClient(name: string, token: string): Promise<GitalyClient> {
    const target = { namespace: this.namespace, kind: 'pod', name } as const;
    const { host, port } = this.#scope.own(await reach(this.cluster, target, grpcPort));
    const address = `tcp://${host}:${port}`;
    return this.#scope.own(createGitalyClient({ address, token, ...patience }));
  }

  /** Plain git against the proxies, or against one of them. */
  async git(proxyPod?: string): Promise<Git> {
    const target =
      proxyPod === undefined
        ? ({ namespace: this.namespace, kind: 'service', name: `${this.name}-proxy` } as const)
        : ({ namespace: this.namespace, kind: 'pod', name: proxyPod } as const);
    const { host, port } = this.#scope.own(await reach(this.cluster, target, grpcPort));
    const token = await this.token('client-token');
    return this.#scope.own(await Git.create({ host, port, token, virtualStorage }));
  }

  /** Plain git against one storage, past the proxies; its repositories are at their replica paths. */
  async storageGit(storage: string): Promise<Git> {
    const target = { namespace: this.namespace, kind: 'pod', name: storage } as const;
    const { host, port } = this.#scope.own(await reach(this.cluster, target, grpcPort));
    const token = await this.token('gitaly-token');
    return this.#scope.own(await Git.create({ host, port, token, virtualStorage: storage }));
  }

  /** Runs `gitaly-ha` against the proxies, to its end, whatever its exit status. */
  async gitalyHa(args: readonly string[]): Promise<RunResult> {
    const target = {
      namespace: this.namespace,
      kind: 'service',
      name: `${this.name}-proxy`,
    } as const;
    const { host, port } = this.#scope.own(await reach(this.cluster, target, grpcPort));
    const env = {
      GITALY_HA_ADDRESS: `tcp://${host}:${port}`,
      GITALY_HA_TOKEN: await this.token('client-token'),
    };
    return tryRun(process.execPath, [resolve('dist/cli.js'), ...args], { env });
  }

  async token(suffix: 'client-token' | 'gitaly-token'): Promise<string> {
    const path = ['-n', this.namespace, 'get', 'secret', `${this.name}-${suffix}`];
    const encoded = await this.cluster.kubectl([...path, '-o', 'jsonpath={.data.token}']);
    return Buffer.from(encoded, 'base64').toString('utf8');
  }

  /** @throws Error if there is no such repository */
  async repository(client: GitalyClient, relativePath: string): Promise<RepositoryStatus> {
    const filter = { virtualStorage, relativePath };
    for await (const status of client.admin.listRepositories(filter, lookOptions)) return status;
    throw new Error(`there is no repository ${relativePath}`);
  }

  /** Waits until every replica of a repository is in sync and no write is in flight. */
  async waitUntilInSync(
    client: GitalyClient,
    relativePath: string,
    limitMs = 300_000,
  ): Promise<RepositoryStatus> {
    let latest: RepositoryStatus | undefined;
    await waitFor(`the replicas of ${relativePath} to be in sync`, limitMs, async () => {
      latest = await this.repository(client, relativePath);
      const behind = latest.replicas.filter((replica) => !replica.inSync);
      if (behind.length === 0 && latest.intents === 0) return undefined;
      return `${behind.map(({ storage }) => storage).join(', ')} behind, ${latest.intents} in flight`;
    });
    if (latest === undefined) throw new Error('not reached');
    return latest;
  }

  /** Waits for another primary, and resolves with it. */
  async waitUntilPrimaryIsNot(
    client: GitalyClient,
    relativePath: string,
    old: string,
    limitMs = 120_000,
  ): Promise<string> {
    let latest = old;
    await waitFor(`another primary than ${old}`, limitMs, async () => {
      latest = (await this.repository(client, relativePath)).primary;
      return latest === old ? 'it is the primary still' : undefined;
    });
    return latest;
  }

  async stop(): Promise<void> {
    await this.#scope.stop();
  }

  async #read(): Promise<Observed> {
    const path = ['-n', this.namespace, 'get', 'glc', this.name, '-o', 'json'];
    return JSON.parse(await this.cluster.kubectl(path)) as Observed;
  }
}
