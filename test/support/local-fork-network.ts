import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ForkNetwork, type Named } from './fork-network.ts';
import { ProxyCluster } from './proxy-cluster.ts';

const run = promisify(execFile);

/** A fork network on storages of this machine, whose folders can be looked into. */
export class LocalForkNetwork extends ForkNetwork {
  readonly #cluster: ProxyCluster;

  constructor(cluster: ProxyCluster) {
    super({
      client: cluster.client(),
      address: `tcp://127.0.0.1:${cluster.proxies[0]?.grpcPort}`,
      token: ProxyCluster.clientToken,
    });
    this.#cluster = cluster;
  }

  /** The folder of a repository on a storage's disk. */
  async folder(repository: Named, storage: string): Promise<string> {
    const status = await this.status(repository);
    if (status === undefined) throw new Error(`${repository.relativePath} is not listed`);
    return join(this.#cluster.node(storage).storagePath, status.replicaPath);
  }

  /** What git finds wrong with a replica, in which every object has to be there. Empty: nothing. */
  async faultsOf(repository: Named, storage: string): Promise<string> {
    const folder = await this.folder(repository, storage);
    try {
      const { stdout } = await run('git', ['-C', folder, 'fsck', '--no-dangling', '--no-progress']);
      return stdout;
    } catch (error) {
      return String((error as { stderr?: string }).stderr ?? error);
    }
  }

  /** The folder, relative to the storage, that a replica borrows objects from. */
  async borrowsFrom(repository: Named, storage: string): Promise<string | undefined> {
    const objects = join(await this.folder(repository, storage), 'objects');
    const file = await readFile(join(objects, 'info', 'alternates'), 'utf8').catch(() => undefined);
    if (file === undefined) return undefined;
    return join(objects, file).slice(this.#cluster.node(storage).storagePath.length + 1);
  }
}
