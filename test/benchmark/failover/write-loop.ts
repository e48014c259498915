import { setTimeout } from 'node:timers/promises';
import type { Stoppable } from '../../../src/base/scope.ts';
import type { GitalyClient } from '../../../src/client/gitaly-client.ts';
import { RpcError } from '../../../src/rpc/rpc-error.ts';
import { statusName } from '../../../src/rpc/status.ts';
import { waitFor } from '../../scenario/wait-for.ts';

/** As a person's tool would, not as fast as it can. */
const retryMs = 20;

/** Writes to a repository, one write after the other, each again until it is acknowledged. */
export class WriteLoop implements Stoppable {
  readonly #client: GitalyClient;
  readonly #repository: { readonly storageName: string; readonly relativePath: string };
  readonly #reference: Buffer;
  readonly #commits: readonly string[];
  /** When it began, and when each write was acknowledged. */
  readonly #acknowledgedMs: number[] = [];
  readonly #refusals = new Map<string, number>();
  #isStopping = false;
  #running: Promise<void> | undefined;

  private constructor(
    client: GitalyClient,
    repository: { readonly storageName: string; readonly relativePath: string },
    branch: string,
    commits: readonly string[],
  ) {
    this.#client = client;
    this.#repository = repository;
    this.#reference = Buffer.from(`refs/heads/${branch}`);
    this.#commits = commits;
  }

  /**
   * Finds what to write: the repository needs a branch `main` of two commits. Another branch is written,
   * from {@link WriteLoop.begin} on.
   */
  static async prepare(
    client: GitalyClient,
    repository: { readonly storageName: string; readonly relativePath: string },
    branch = 'benchmark',
  ): Promise<WriteLoop> {
    const revision = Buffer.from('main');
    const { commit } = await client.commit.findCommit({ repository, revision });
    const [parent] = commit?.parentIds ?? [];
    if (commit === undefined || parent === undefined) throw new Error('main has no two commits');
    // Between two commits, so that each write changes something. A deletion would be no good: Gitaly's
    // hook casts no votes on one that checks no old value.
    return new WriteLoop(client, repository, branch, [commit.id, parent]);
  }

  begin(): void {
    this.#acknowledgedMs.push(performance.now());
    this.#running ??= this.#run();
    this.#running.catch(() => {});
  }

  /** How many writes were refused, and made again, by the status that they ended with. */
  get refusals(): ReadonlyMap<string, number> {
    return this.#refusals;
  }

  /** Between two acknowledgements, of which the later was after `sinceMs`. */
  longestGapMs(sinceMs: number): number {
    const gaps = this.#acknowledgedMs.map((atMs, index) =>
      atMs > sinceMs ? atMs - (this.#acknowledgedMs[index - 1] ?? atMs) : 0,
    );
    return Math.max(0, ...gaps);
  }

  /** When the first write after `sinceMs` was acknowledged; infinity if there is none. */
  firstAfterMs(sinceMs: number): number {
    return this.#acknowledgedMs.find((atMs) => atMs > sinceMs) ?? Number.POSITIVE_INFINITY;
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
      while (!(await this.#write(objectId))) if (this.#isStopping) return;
      this.#acknowledgedMs.push(performance.now());
    }
  }

  async #write(objectId: string): Promise<boolean> {
    const update = { reference: this.#reference, newObjectId: Buffer.from(objectId) };
    try {
      const call = await this.#client.ref.updateReferences();
      await call.write({ repository: this.#repository, updates: [update] });
      await call.finish();
      return true;
    } catch (error) {
      const status = error instanceof RpcError ? statusName(error.code) : String(error);
      this.#refusals.set(status, (this.#refusals.get(status) ?? 0) + 1);
      await setTimeout(retryMs);
      return false;
    }
  }
}
