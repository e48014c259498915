import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { systemClock, withTimeout } from '../../src/base/clock.ts';
import type { Stoppable } from '../../src/base/scope.ts';
import { goProgram } from './go-program.ts';

export interface SteadyGoClientOptions {
  /** In the notation of gRPC. */
  readonly target: string;
  readonly token: string;
  readonly storage: string;
  readonly relativePath: string;
  /** A commit that the repository has. */
  readonly commit: string;
  /** Of the references that it writes. */
  readonly prefix: string;
}

export interface SteadyGoReport {
  /** How often it has read and written. */
  readonly reads: number;
  readonly writes: number;
  readonly failures: readonly string[];
}

const limitMs = 60_000;

/** A client with the gRPC of Gitaly's own clients, and their settings: the program `steady`. */
export class SteadyGoClient implements Stoppable {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: Interface;
  #isOver = false;
  #report: Promise<SteadyGoReport> | undefined;

  private constructor(child: ChildProcessByStdio<Writable, Readable, null>) {
    this.#child = child;
    this.#lines = createInterface({ input: child.stdout });
    this.#lines.once('close', () => {
      this.#isOver = true;
    });
  }

  /** Resolves when it has read and written for the first time. */
  static async start(options: SteadyGoClientOptions): Promise<SteadyGoClient> {
    const { target, token, storage, relativePath, commit, prefix } = options;
    const program = await goProgram('steady');
    const args = { target, token, storage, repository: relativePath, revision: commit, prefix };
    const child = spawn(
      program,
      Object.entries(args).map(([name, value]) => `-${name}=${value}`),
      { stdio: ['pipe', 'pipe', 'inherit'] },
    );
    const client = new SteadyGoClient(child);
    await client.#nextLine('the first calls of the client in Go');
    return client;
  }

  /** Ends it after the calls that are under way. */
  finish(): Promise<SteadyGoReport> {
    this.#report ??= this.#finish();
    return this.#report;
  }

  async stop(): Promise<void> {
    await this.finish();
  }

  async #finish(): Promise<SteadyGoReport> {
    this.#child.stdin.end();
    const line = await this.#nextLine('the report of the client in Go');
    return JSON.parse(line) as SteadyGoReport;
  }

  #nextLine(what: string): Promise<string> {
    const next = new Promise<string>((resolve, reject) => {
      const giveUp = () => reject(new Error(`${what}: it has ended`));
      if (this.#isOver) giveUp();
      this.#lines.once('line', resolve);
      // Not the end of the process: its last line may arrive after that.
      this.#lines.once('close', giveUp);
    });
    return withTimeout(systemClock, limitMs, what, next);
  }
}
