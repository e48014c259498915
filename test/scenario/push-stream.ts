import { mkdir } from 'node:fs/promises';
import type { Stoppable } from '../../src/base/scope.ts';
import type { Git } from './git.ts';

/** A push that takes so long is no failed push: it ends the stream. */
const pushLimitMs = 120_000;

/** One attempt to push. */
export interface PushAttempt {
  readonly number: number;
  readonly commit: string;
  readonly startedMs: number;
  readonly endedMs: number;
  readonly acknowledged: boolean;
  /** What git said of a push that failed. */
  readonly error?: string;
}

/**
 * Pushes one commit after the other, each to `refs/heads/stream` and to a branch of its own. A push
 * that fails is tried again until it is acknowledged, as a person would.
 */
export class PushStream implements Stoppable {
  readonly #git: Git;
  readonly #url: string;
  readonly #folder: string;
  readonly #attempts: PushAttempt[] = [];
  #stopping = false;
  #running: Promise<void> | undefined;

  private constructor(git: Git, url: string, folder: string) {
    this.#git = git;
    this.#url = url;
    this.#folder = folder;
  }

  static async create(git: Git, relativePath: string): Promise<PushStream> {
    const folder = git.folder(`push-${relativePath.replaceAll('/', '-')}`);
    await mkdir(folder);
    await git.git(folder, ['init', '-q', '-b', 'stream']);
    return new PushStream(git, git.url(relativePath), folder);
  }

  get attempts(): readonly PushAttempt[] {
    return this.#attempts;
  }

  get acknowledged(): readonly PushAttempt[] {
    return this.#attempts.filter((attempt) => attempt.acknowledged);
  }

  /** The refs that acknowledged pushes have made, and what they point to. */
  get expectedRefs(): ReadonlyMap<string, string> {
    const refs = new Map<string, string>();
    for (const { number, commit } of this.acknowledged) {
      refs.set(`refs/heads/pushes/${number}`, commit);
      refs.set('refs/heads/stream', commit);
    }
    return refs;
  }

  start(): void {
    this.#running ??= this.#run();
    // Whoever waits for pushes is told; nobody may be waiting just now.
    this.#running.catch(() => {});
  }

  /** Ends after the push that is under way; rejects if something else than a push has failed. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#running;
  }

  /** Resolves when `count` more pushes than now were acknowledged. */
  async more(count: number, limitMs: number): Promise<void> {
    const target = this.acknowledged.length + count;
    const giveUpAtMs = performance.now() + limitMs;
    while (this.acknowledged.length < target) {
      if (performance.now() > giveUpAtMs) {
        const last = this.#attempts.findLast((attempt) => !attempt.acknowledged);
        throw new Error(
          `no ${count} pushes in ${limitMs} ms; last error: ${last?.error ?? 'none'}`,
        );
      }
      await Promise.race([this.#running, nextTick()]);
    }
  }

  async #run(): Promise<void> {
    for (let number = 1; !this.#stopping; number++) {
      const commit = await this.#commit(number);
      for (;;) {
        const attempt = await this.#push(number, commit);
        this.#attempts.push(attempt);
        if (attempt.acknowledged) break;
        if (this.#stopping) return;
      }
    }
  }

  async #commit(number: number): Promise<string> {
    const git = (args: readonly string[]) => this.#git.git(this.#folder, args);
    await git(['commit', '-q', '--allow-empty', '-m', `push ${number}`]);
    return git(['rev-parse', 'HEAD']);
  }

  async #push(number: number, commit: string): Promise<PushAttempt> {
    const startedMs = performance.now();
    const refs = [`${commit}:refs/heads/stream`, `${commit}:refs/heads/pushes/${number}`];
    const push = ['push', '-q', this.#url, ...refs];
    const result = await this.#git.tryGit(this.#folder, push, { limitMs: pushLimitMs });
    const endedMs = performance.now();
    const acknowledged = result.status === 0;
    const outcome = { number, commit, startedMs, endedMs, acknowledged };
    return acknowledged ? outcome : { ...outcome, error: result.stderr.trim() };
  }
}

/** How long pushes were refused after `sinceMs`: from the first refusal to the next success. */
export function refusedMs(attempts: readonly PushAttempt[], sinceMs: number): number {
  const after = attempts.filter((attempt) => attempt.endedMs >= sinceMs);
  const refused = after.find((attempt) => !attempt.acknowledged);
  if (refused === undefined) return 0;
  const success = after.find(
    (attempt) => attempt.acknowledged && attempt.endedMs > refused.endedMs,
  );
  return (success?.endedMs ?? performance.now()) - refused.startedMs;
}

/** The longest time between two acknowledgements. */
export function longestGapMs(attempts: readonly PushAttempt[]): number {
  const ends = attempts.filter((attempt) => attempt.acknowledged).map(({ endedMs }) => endedMs);
  return Math.max(0, ...ends.map((end, index) => end - (ends[index - 1] ?? end)));
}

function nextTick(): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, 20);
  });
}
