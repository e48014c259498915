import { sleep, systemClock } from '../../src/base/clock.ts';
import type { Stoppable } from '../../src/base/scope.ts';
import type { GitalyClient } from '../../src/client/gitaly-client.ts';

/** For calls under load: a machine that does much else may be slow, and nothing here is about speed. */
export const patientMs = 60_000;

/** The same for a client: a connection that is long in coming is not one that nobody answers. */
export const patience = { deadlineMs: patientMs, connectLimitMs: 20_000 } as const;

/** One kind of work that is repeated. */
export interface LoadTask {
  readonly name: string;
  /** Does it once. `round` counts from 1. */
  once(round: number): Promise<void>;
}

/** Repeats tasks side by side until it is stopped, and keeps every failure. */
export class SteadyLoad implements Stoppable {
  readonly failures: string[] = [];
  readonly #done = new Map<string, number>();
  readonly #running: readonly Promise<void>[];
  readonly #pauseMs: number;
  #isStopping = false;

  /** `pauseMs`: how long each task rests between its rounds. Default: not at all. */
  constructor(tasks: readonly LoadTask[], { pauseMs = 0 }: { readonly pauseMs?: number } = {}) {
    this.#pauseMs = pauseMs;
    this.#running = tasks.map((task) => this.#repeat(task));
  }

  /** How often each task was done. */
  get done(): ReadonlyMap<string, number> {
    return this.#done;
  }

  /** The fewest rounds that any task has had. */
  get fewest(): number {
    return Math.min(...this.#done.values());
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await Promise.all(this.#running);
  }

  async #repeat({ name, once }: LoadTask): Promise<void> {
    this.#done.set(name, 0);
    for (let round = 1; !this.#isStopping; round++) {
      try {
        await once(round);
        this.#done.set(name, round);
      } catch (error) {
        this.failures.push(`${name}, round ${round}: ${String(error)}`);
      }
      if (this.#pauseMs > 0) await sleep(systemClock, this.#pauseMs);
    }
  }
}

/** A repository, and a commit that it has. */
export interface LoadTarget {
  readonly repository: { readonly storageName: string; readonly relativePath: string };
  readonly commit: string;
}

/** Reads and writes of one repository through one client. */
export function callTasks(
  name: string,
  client: Pick<GitalyClient, 'commit' | 'repository'>,
  { repository, commit }: LoadTarget,
): readonly LoadTask[] {
  const revision = Buffer.from(commit);
  return [
    {
      name: `reads ${name}`,
      async once() {
        const found = await client.commit.findCommit({ repository, revision });
        if (found.commit?.id !== commit) throw new Error(`found ${String(found.commit?.id)}`);
      },
    },
    {
      name: `writes ${name}`,
      async once(round) {
        const ref = Buffer.from(`refs/heads/${name}-${round}`);
        await client.repository.writeRef({ repository, ref, revision });
      },
    },
  ];
}
