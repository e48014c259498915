import type { Duplex } from 'node:stream';
import type { Git, GitProcess } from './git.ts';
import { readAll } from './git.ts';
import { updateRefError } from './update-ref-errors.ts';

/** One change of a reference. Object ids are hexadecimal; all zeros as the new one deletes. */
export interface RefUpdate {
  readonly reference: string;
  readonly newId: string;
  /** All zeros: it must not exist. Undefined: whatever it is. */
  readonly oldId: string | undefined;
}

/**
 * A transaction of `git update-ref --stdin`, step by step: queue, prepare (locks), commit.
 * Locks are given back by {@link close}, at the latest when git ends.
 */
export class RefUpdater {
  readonly #git: GitProcess;
  readonly #stderr: Promise<Buffer>;
  readonly #answers: AsyncIterator<string>;

  private constructor(git: GitProcess) {
    this.#git = git;
    this.#stderr = readAll(git.stderr);
    this.#answers = linesOf(git.stdout);
  }

  /** Starts the transaction. `hooks` serves the reference-transaction hook; without it the hook does not run. */
  static async start(
    git: Git,
    repository: string,
    options: { signal: AbortSignal; hooks?: (channel: Duplex) => void },
  ): Promise<RefUpdater> {
    const updater = new RefUpdater(
      git.spawn(repository, ['update-ref', '-z', '--stdin', '--no-deref'], options),
    );
    await updater.#command('start');
    return updater;
  }

  /** Adds an update. Faults show when the transaction is prepared. */
  queue({ reference, newId, oldId }: RefUpdate): void {
    this.#git.stdin.write(`update ${reference}\0${newId}\0${oldId ?? ''}\0`);
  }

  /**
   * Locks all references and checks old values.
   *
   * @throws UpdateRefError
   */
  async prepare(): Promise<void> {
    await this.#command('prepare');
  }

  /**
   * Makes the changes, and prepares them before if that was not done.
   *
   * @throws UpdateRefError
   */
  async commit(): Promise<void> {
    await this.#command('commit');
  }

  /** Ends git; what was not committed is dropped. */
  async close(): Promise<void> {
    this.#git.stdin.end();
    await this.#git.exited;
  }

  async #command(command: string): Promise<void> {
    this.#git.stdin.write(`${command}\0`);
    const answer = await this.#answers.next();
    if (!answer.done && answer.value === `${command}: ok`) return;
    this.#git.stdin.end();
    const exitCode = await this.#git.exited;
    throw updateRefError((await this.#stderr).toString(), exitCode);
  }
}

async function* linesOf(stream: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of stream) {
    const lines = (rest + chunk.toString()).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
}
