import { spawn } from 'node:child_process';

/** A command that has to succeed. */
export interface Step {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
}

/** Runs a command with this process's terminal; resolves with its exit code. */
export function run(
  [program, ...args]: readonly [string, ...string[]],
  environment: Readonly<Record<string, string>> = {},
): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: 'inherit',
      env: { ...process.env, ...environment },
    });
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });
}

/** Runs the steps in order and stops at the first that fails. Resolves with its name, if any. */
export async function runSteps(steps: readonly Step[]): Promise<string | undefined> {
  for (const { name, command } of steps) {
    const startedMs = performance.now();
    console.log(`\n== ${name}`);
    const code = await run(command);
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
    if (code !== 0) {
      console.log(`== ${name} failed after ${seconds} s: ${command.join(' ')}`);
      return name;
    }
    console.log(`== ${name}: ${seconds} s`);
  }
  return undefined;
}
