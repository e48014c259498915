import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { systemClock, withTimeout } from '../../src/base/clock.ts';
import type { Stoppable } from '../../src/base/scope.ts';

/** More than the minute that a call of such a program may take, so that it still tells of that. */
const limitMs = 120_000;

/** A program that says in its first line that it is ready, and that ends with its standard input. */
export class LineProcess implements Stoppable {
  readonly pid: number;
  readonly #program: string;
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: Interface;
  #firstLine = '';
  #isOver = false;

  private constructor(program: string, child: ChildProcessByStdio<Writable, Readable, null>) {
    this.pid = child.pid ?? 0;
    this.#program = program;
    this.#child = child;
    this.#lines = createInterface({ input: child.stdout });
    this.#lines.once('close', () => {
      this.#isOver = true;
    });
  }

  /** Resolves when it is ready; rejects if it ends before, or takes longer than two minutes. */
  static async start(program: string, args: readonly string[]): Promise<LineProcess> {
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    const failed = once(child, 'error').then(([error]) => Promise.reject(error as Error));
    const started = new LineProcess(program, child);
    try {
      started.#firstLine = await Promise.race([started.nextLine(), failed]);
      return started;
    } catch (error) {
      child.kill('SIGKILL');
      throw error;
    }
  }

  /** What it said when it was ready. */
  get firstLine(): string {
    return this.#firstLine;
  }

  /** What it says next. Rejects if it ends before, or takes longer than two minutes. */
  nextLine(): Promise<string> {
    const next = new Promise<string>((resolve, reject) => {
      const giveUp = () => reject(new Error(`${this.#program} has ended`));
      if (this.#isOver) giveUp();
      this.#lines.once('line', resolve);
      // Not the end of the process: its last line may arrive after that.
      this.#lines.once('close', giveUp);
    });
    return withTimeout(systemClock, limitMs, `a line of ${this.#program}`, next);
  }

  /** Tells it to end. */
  endInput(): void {
    this.#child.stdin.end();
  }

  /** Ends it as a loss of power would, and resolves when it is gone. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exited;
  }

  async stop(): Promise<void> {
    await this.kill();
  }
}
