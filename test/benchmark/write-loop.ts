import { setTimeout } from 'node:timers/promises';
import type { Stoppable } from '../../src/base/scope.ts';
import type { GitalyClient } from '../../src/client/gitaly-client.ts';
import { waitFor } from '../scenario/wait-for.ts';

/** As a person's tool would, not as fast as it can. */
const retryMs = 20;
const ref = Buffer.from('refs/heads/benchmark');

/** Writes to a repository, one write after the other, each again until it is acknowledged. */
export class WriteLoop implements Stoppable {
  readonly #client: GitalyClient;
  readonly #repository: { readonly storageName: string; readonly relativePath: string };
  readonly #commits: readonly string[];
  readonly #acknowledgedMs: number[] = [];
  #refused = 0;
  #isStopping = false;
  #running: Promise<void> | undefined;

  private constructor(
    client: GitalyClient,
    repository: { readonly storageName: string; readonly relativePath: string },
    commits: readonly string[],
  ) {
    this.#client = client;
    this.#repository = repository;
    this.#commits = commits;
  }

  /** The repository needs a branch `main`. */
  static async start(
    client: GitalyClient,
    repository: { readonly storageName: string; readonly relativePath: string },
  ): Promise<WriteLoop> {
    const revision = Buffer.from('main');
    const { commit } = await client.commit.findCommit({ repository, revision });
    // Between a commit and nothing, so that each write changes something.
    const loop = new WriteLoop(client, repository, [commit?.id ?? '', '0'.repeat(40)]);
    loop.#running = loop.#run();
    loop.#running.catch(() => {});
    return loop;
  }

  get refused(): number {
    return this.#refused;
  }

  /** Between two acknowledgements. */
  get longestGapMs(): number {
    const gaps = this.#acknowledgedMs.map(
      (atMs, index) => atMs - (this.#acknowledgedMs[index - 1] ?? atMs),
    );
    return Math.max(0, ...gaps);
  }

  /** Resolves when `count` more writes than now were acknowledged. */
  async more(count: number, limitMs: number): Promise<void> {
    const target = this.#acknowledgedMs.length + count;
    await waitFor(`${count} writes`, limitMs, async () => {
      const missing = target - this.#acknowledgedMs.length;
      return missing <= 0 ? undefined : `${missing} to go`;
    });
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    for (let turn = 0; !this.#isStopping; turn++) {
      const objectId = this.#commits[turn % 2] ?? '';
      while (!(await this.#write(objectId))) {
        this.#refused += 1;
        if (this.#isStopping) return;
      }
      this.#acknowledgedMs.push(performance.now());
    }
  }

  async #write(objectId: string): Promise<boolean> {
    const update = { reference: ref, newObjectId: Buffer.from(objectId) };
    try {
      const call = await this.#client.ref.updateReferences();
      await call.write({ repository: this.#repository, updates: [update] });
      await call.finish();
      return true;
    } catch {
      await setTimeout(retryMs);
      return false;
    }
  }
}
