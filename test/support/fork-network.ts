import { createHash } from 'node:crypto';
import type { GitalyClient } from '../../src/client/gitaly-client.ts';
import type { RepositoryStatus } from '../../src/gen/gitaly_operator/v1/admin_pb.ts';
import { commitFile } from './commit-file.ts';
import { eventually } from './eventually.ts';

export interface Named {
  readonly storageName: string;
  readonly relativePath: string;
}

export function named(relativePath: string): Named {
  return { storageName: 'default', relativePath };
}

/** Where GitLab puts the object pool of that number. */
function poolNamed(number: number): Named {
  const name = createHash('sha256').update(String(number)).digest('hex');
  return named(`@pools/${name.slice(0, 2)}/${name.slice(2, 4)}/${name}.git`);
}

/** How the proxies are reached. */
export interface ProxyAccess {
  readonly client: GitalyClient;
  /** For the storages, which fetch forks through the proxies. */
  readonly address: string;
  readonly token: string;
}

/** A client that does with a source, its forks and their pool what GitLab does. */
export class ForkNetwork {
  readonly source = named('group/source.git');
  readonly pool = poolNamed(1);
  readonly client: GitalyClient;
  readonly #access: ProxyAccess;

  constructor(access: ProxyAccess) {
    this.#access = access;
    this.client = access.client;
  }

  /** What a storage needs to fetch from a repository through the proxies. */
  get gitalyServers(): Readonly<Record<string, string>> {
    const { address, token } = this.#access;
    const servers = { default: { address, token } };
    return { 'gitaly-servers': Buffer.from(JSON.stringify(servers)).toString('base64') };
  }

  /** Makes the source with a few commits, and a pool from it that it borrows from. */
  async createSourceAndPool(): Promise<void> {
    await this.client.repository.createRepository({
      repository: this.source,
      defaultBranch: Buffer.from('main'),
    });
    for (const text of ['one', 'two', 'three']) await this.commit(this.source, text);
    await this.client.objectPool.createObjectPool({
      objectPool: { repository: this.pool },
      origin: this.source,
    });
    await this.link(this.source);
  }

  async fork(name: string): Promise<Named> {
    const repository = named(`group/${name}.git`);
    await this.client.repository.createFork(
      { repository, sourceRepository: this.source },
      { metadata: this.gitalyServers },
    );
    return repository;
  }

  async link(repository: Named): Promise<void> {
    const objectPool = { repository: this.pool };
    await this.client.objectPool.linkRepositoryToObjectPool({ repository, objectPool });
  }

  async fetchIntoPool(origin: Named): Promise<void> {
    const objectPool = { repository: this.pool };
    await this.client.objectPool.fetchIntoObjectPool({ origin, objectPool });
  }

  /** Makes a commit on `main`. */
  commit(repository: Named, text: string): Promise<string> {
    return commitFile(this.client, { repository, branch: 'main', text });
  }

  /** Lets every storage drop what a member's pool has too. */
  async tidy(...repositories: readonly Named[]): Promise<void> {
    for (const repository of repositories) {
      await this.client.repository.optimizeRepository({ repository });
    }
  }

  async status({ relativePath }: Named): Promise<RepositoryStatus | undefined> {
    const filter = { virtualStorage: 'default', relativePath };
    for await (const status of this.client.admin.listRepositories(filter)) return status;
    return undefined;
  }

  /** The storages with a replica that is in sync, in alphabetical order. */
  async inSync(repository: Named): Promise<string[]> {
    const replicas = (await this.status(repository))?.replicas ?? [];
    const inSync = replicas.filter((replica) => replica.inSync);
    return inSync.map(({ storage }) => storage).toSorted();
  }

  async settled(...repositories: readonly Named[]): Promise<void> {
    for (const repository of repositories) {
      const isSettled = async () => {
        const { replicas = [], intents = 1 } = (await this.status(repository)) ?? {};
        return intents === 0 && replicas.every((replica) => replica.inSync);
      };
      await eventually(`${repository.relativePath} is in sync everywhere`, isSettled, 60_000);
    }
  }
}
