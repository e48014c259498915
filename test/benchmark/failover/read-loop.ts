import type { Stoppable } from '../../../src/base/scope.ts';
import type { CommitService } from '../../../src/gen/gitaly/commit_pb.ts';
import type { RpcClient } from '../../../src/rpc/client.ts';

/** Rests between reads, so that the writes under test have the machine. */
const pauseMs = 10;

export interface ReadTarget {
  readonly repository: { readonly storageName: string; readonly relativePath: string };
  readonly commit: string;
}

/** Reads a commit again and again, each time once, and keeps every failure. */
export class ReadLoop implements Stoppable {
  readonly failures: string[] = [];
  readonly #commits: RpcClient<typeof CommitService>;
  readonly #target: ReadTarget;
  readonly #running: Promise<void>;
  #done = 0;
  #longestMs = 0;
  #isStopping = false;

  constructor(commits: RpcClient<typeof CommitService>, target: ReadTarget) {
    this.#commits = commits;
    this.#target = target;
    this.#running = this.#run();
  }

  /** Reads that were answered. */
  get done(): number {
    return this.#done;
  }

  /** What the slowest of them took. */
  get longestMs(): number {
    return this.#longestMs;
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#isStopping) {
      const startedMs = performance.now();
      try {
        await this.#read();
        this.#done += 1;
        this.#longestMs = Math.max(this.#longestMs, performance.now() - startedMs);
      } catch (error) {
        this.failures.push(String(error));
      }
      await new Promise((resolve) => {
        setTimeout(resolve, pauseMs);
      });
    }
  }

  async #read(): Promise<void> {
    const { repository, commit } = this.#target;
    const revision = Buffer.from(commit);
    const found = await this.#commits.findCommit({ repository, revision }, { deadlineMs: 30_000 });
    if (found.commit?.id !== commit) throw new Error(`found ${String(found.commit?.id)}`);
  }
}
