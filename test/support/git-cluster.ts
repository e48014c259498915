import { join } from 'node:path';
import { Scope, type Stoppable } from '../../src/base/scope.ts';
import type { GitalyClient } from '../../src/client/gitaly-client.ts';
import { GitUser } from './git-user.ts';
import { ProxyCluster, type ProxyClusterOptions } from './proxy-cluster.ts';

/** A repository behind the proxy, and the work tree that its commits were pushed from. */
export interface PushedRepository {
  readonly relativePath: string;
  /** For git. */
  readonly url: string;
  readonly tree: string;
  /** The commit on `main`. */
  readonly head: string;
}

/** A proxy before storages, and somebody who uses it with git. */
export class GitCluster implements Stoppable {
  readonly cluster: ProxyCluster;
  readonly client: GitalyClient;
  readonly user: GitUser;
  readonly #scope: Scope;

  private constructor(cluster: ProxyCluster, user: GitUser, scope: Scope) {
    this.cluster = cluster;
    this.client = cluster.client();
    this.user = user;
    this.#scope = scope;
  }

  static async start(options: ProxyClusterOptions = {}): Promise<GitCluster> {
    const scope = new Scope();
    const cluster = scope.own(await ProxyCluster.start(options));
    const address = `127.0.0.1:${cluster.proxies[0]?.grpcPort}`;
    const user = scope.own(await GitUser.create({ address, token: ProxyCluster.clientToken }));
    return new GitCluster(cluster, user, scope);
  }

  /** Makes a repository and pushes one commit to it, of one file. */
  async pushed(name: string, content: string | Buffer = 'hello'): Promise<PushedRepository> {
    const relativePath = `${name}.git`;
    await this.client.repository.createRepository({
      repository: { storageName: 'default', relativePath },
      defaultBranch: Buffer.from('main'),
    });
    const tree = await this.user.workTree(name, content);
    const url = this.user.url(relativePath);
    await this.user.git(['push', '-q', url, 'main'], { cwd: tree });
    return { tree, url, relativePath, head: await this.headOf(tree) };
  }

  /** Clones, and returns where the clone is. */
  async clone(url: string, name: string, ...options: readonly string[]): Promise<string> {
    const path = join(this.user.folder, name);
    await this.user.git(['clone', '-q', ...options, url, path]);
    return path;
  }

  headOf(cwd: string): Promise<string> {
    return this.user.git(['rev-parse', 'HEAD'], { cwd });
  }

  /** The commit of `main` on each storage. */
  async headsOfReplicas(relativePath: string): Promise<(string | undefined)[]> {
    const filter = { virtualStorage: 'default', relativePath };
    for await (const { replicaPath } of this.client.admin.listRepositories(filter)) {
      return Promise.all(
        this.cluster.nodes.map(({ name }) => this.#headOnStorage(name, replicaPath)),
      );
    }
    throw new Error(`${relativePath} is not listed`);
  }

  async #headOnStorage(storage: string, replicaPath: string): Promise<string | undefined> {
    const { commit } = await this.cluster.storageClient(storage).commit.findCommit({
      repository: { storageName: storage, relativePath: replicaPath },
      revision: Buffer.from('main'),
    });
    return commit?.id;
  }

  stop(): Promise<void> {
    return this.#scope.stop();
  }
}
