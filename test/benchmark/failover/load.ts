import { Scope } from '../../../src/base/scope.ts';
import { commitFile } from '../../support/commit-file.ts';
import { type ProcessCluster, virtualStorage } from './process-cluster.ts';
import { ReadLoop } from './read-loop.ts';
import { addUp, type Loss } from './summary.ts';
import { WriteLoop } from './write-loop.ts';

/** A repository of its own, with all who read and write it. */
export class Load {
  readonly relativePath: string;
  readonly #cluster: ProcessCluster;
  readonly #scope = new Scope();
  readonly #writes: WriteLoop[] = [];
  readonly #reads: readonly ReadLoop[];

  private constructor(cluster: ProcessCluster, relativePath: string, reads: readonly ReadLoop[]) {
    this.#cluster = cluster;
    this.relativePath = relativePath;
    this.#reads = reads.map((loop) => this.#scope.own(loop));
  }

  /** Makes a repository, and begins to read it through each proxy. */
  static async start(cluster: ProcessCluster): Promise<Load> {
    const relativePath = `failover/${process.hrtime.bigint()}.git`;
    const repository = { storageName: virtualStorage, relativePath };
    await cluster.client.repository.createRepository({ repository });
    const commit = await commitFile(cluster.client, { repository, branch: 'main', text: 'first' });
    await commitFile(cluster.client, { repository, branch: 'main', text: 'second' });
    await cluster.waitUntilWhole(relativePath);
    const target = { repository, commit };
    return new Load(
      cluster,
      relativePath,
      cluster.readers.map((reader) => new ReadLoop(reader, target)),
    );
  }

  /** Makes ready so many writers, each of a branch of its own. */
  async prepareWriters(count: number): Promise<void> {
    const repository = { storageName: virtualStorage, relativePath: this.relativePath };
    for (let added = 0; added < count; added++) {
      const branch = `writer-${this.#writes.length}`;
      const loop = await WriteLoop.prepare(this.#cluster.client, repository, branch);
      this.#writes.push(this.#scope.own(loop));
    }
  }

  beginWriting(): void {
    for (const loop of this.#writes) loop.begin();
  }

  /** Resolves when each writer has had so many more writes acknowledged. */
  async moreWrites(count: number, limitMs: number): Promise<void> {
    await Promise.all(this.#writes.map((loop) => loop.more(count, limitMs)));
  }

  /** The longest time that a writer was without an acknowledgement. */
  longestGapMs(sinceMs: number): number {
    return Math.max(0, ...this.#writes.map((loop) => loop.longestGapMs(sinceMs)));
  }

  /** When the last of the writers had its first acknowledgement after `sinceMs`. */
  firstAfterMs(sinceMs: number): number {
    return Math.max(...this.#writes.map((loop) => loop.firstAfterMs(sinceMs)));
  }

  /** Stops everybody, and tells what they saw. */
  async stop(): Promise<Omit<Loss, 'lost' | 'gapMs'>> {
    await this.#scope.stop();
    return {
      refusals: addUp(this.#writes.map(({ refusals }) => refusals)),
      reads: this.#reads.reduce((sum, { done }) => sum + done, 0),
      readFailures: this.#reads.flatMap(({ failures }) => failures),
      longestReadMs: Math.max(0, ...this.#reads.map(({ longestMs }) => longestMs)),
    };
  }
}
