import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { systemClock, withTimeout } from '../../src/base/clock.ts';
import type { Stoppable } from '../../src/base/scope.ts';

const startLimitMs = 30_000;

/** A program that says in its first line that it is ready, and that ends with its standard input. */
export class LineProcess implements Stoppable {
  /** What it said. */
  readonly firstLine: string;
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;

  private constructor(child: ChildProcessByStdio<Writable, Readable, null>, firstLine: string) {
    this.#child = child;
    this.firstLine = firstLine;
  }

  /** Resolves when it is ready; rejects if it ends before, or takes longer than half a minute. */
  static async start(program: string, args: readonly string[]): Promise<LineProcess> {
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    const lines = createInterface({ input: child.stdout });
    const starting = new Promise<string>((resolve, reject) => {
      lines.once('line', resolve);
      child.once('error', reject);
      child.once('exit', (code) => reject(new Error(`${program} has ended with ${code}`)));
    });
    try {
      const line = await withTimeout(
        systemClock,
        startLimitMs,
        `the start of ${program}`,
        starting,
      );
      return new LineProcess(child, line);
    } catch (error) {
      child.kill('SIGKILL');
      throw error;
    }
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
