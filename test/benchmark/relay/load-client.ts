import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { spawn } from 'node:child_process';
import { systemClock, withTimeout } from '../../../src/base/clock.ts';
import type { Stoppable } from '../../../src/base/scope.ts';
import { goProgram } from '../../support/go-program.ts';

/** What a load client makes calls of: see `test/go/load`. */
export type Work = 'read' | 'write' | 'create' | 'download' | 'upload' | 'clone';

export interface LoadCommand {
  /** `host:port`. */
  readonly target: string;
  readonly token: string;
  /** The virtual storage. */
  readonly storage: string;
  /** `hold` opens as many streams as `concurrency` says and leaves them; `close` ends all connections. */
  readonly work: Work | 'hold' | 'close';
  readonly concurrency: number;
  /** Connections that the calls share. */
  readonly connections: number;
  /** Repositories that the calls are about: `repositoryPath` from 0. */
  readonly repositories: number;
  /** For how long calls are begun. */
  readonly ms: number;
  /** So many calls are made, however long it takes. Default: one for each of `concurrency`. */
  readonly minCalls?: number;
  /** What passes on one stream. */
  readonly streamBytes: number;
  /** Downloads that run all the while and are not measured. */
  readonly bulk?: number;
  /** Of the held streams, downloads that nobody reads. */
  readonly stalled?: number;
}

export interface LoadResult {
  /** Calls that ended with OK. */
  readonly calls: number;
  /** What passed on streams. */
  readonly bytes: number;
  readonly ms: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

const commandLimitMs = 300_000;

/** A process that makes calls as GitLab does, as cheaply as it can, and measures them. */
export class LoadClient implements Stoppable {
  readonly #child;
  readonly #answers: AsyncIterator<string>;

  private constructor(program: string) {
    this.#child = spawn(program, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#answers = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  static async start(): Promise<LoadClient> {
    return new LoadClient(await goProgram('load'));
  }

  /** Rejects if a call has not ended with OK. */
  async run(command: LoadCommand): Promise<LoadResult> {
    const line = { minCalls: command.concurrency, ...command };
    this.#child.stdin.write(`${JSON.stringify(line)}\n`);
    const answer = await withTimeout(
      systemClock,
      commandLimitMs,
      'the load client',
      this.#answers.next(),
    );
    if (answer.done) throw new Error('the load client has ended');
    const result = JSON.parse(answer.value) as LoadResult & Failures;
    if (result.failed === 0) return result;
    throw new Error(`${command.work}: ${result.failed} calls have failed: ${result.error}`);
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    this.#child.stdin.end();
    await once(this.#child, 'exit');
  }
}

interface Failures {
  readonly failed: number;
  /** What the first of them said. */
  readonly error: string;
}
