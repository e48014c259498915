import { spawn } from 'node:child_process';

/** How a command is run. */
export interface RunOptions {
  /** After this the command is killed and the call fails. Default 60 s. */
  readonly limitMs?: number;
  /** Written to its standard input, which is empty by default. */
  readonly input?: string;
  /** Added to this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Kills the command when aborted. */
  readonly signal?: AbortSignal;
  /** Sees standard error line by line, as it comes. */
  readonly onErrorLine?: (line: string) => void;
}

/** What a finished command left. */
export interface RunResult {
  /** Its exit status, or undefined if a signal ended it. */
  readonly status: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command that could not be started, failed, or took too long. */
export class CommandError extends Error {
  readonly command: string;
  readonly status: number | undefined;

  constructor(command: string, status: number | undefined, reason: string) {
    super(`${command}: ${reason}`);
    this.name = 'CommandError';
    this.command = command;
    this.status = status;
  }
}

const defaultLimitMs = 60_000;

/** Runs a command (no shell) and returns its standard output; anything but exit 0 throws. */
export async function run(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const result = await tryRun(command, args, options);
  if (result.status === 0) return result.stdout;
  const reason = lastLines(result.stderr || result.stdout, 20) || `exit status ${result.status}`;
  throw new CommandError([command, ...args].join(' '), result.status, reason);
}

/** Runs a command (no shell) to its end, whatever its exit status. Throws if it can't or mustn't. */
export function tryRun(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  const { limitMs = defaultLimitMs, signal } = options;
  const line = [command, ...args].join(' ');
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(new CommandError(line, undefined, 'cancelled'));
      return;
    }
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    let refusal: string | undefined;
    const kill = (reason: string) => {
      refusal ??= reason;
      child.kill('SIGKILL');
      // Its own children may go on and hold these open.
      child.stdout.destroy();
      child.stderr.destroy();
    };
    const onAbort = () => kill('cancelled');
    const timer = setTimeout(() => kill(`took longer than ${limitMs / 1000} s`), limitMs);
    signal?.addEventListener('abort', onAbort, { once: true });
    const settle = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    };

    const stdout: Buffer[] = [];
    const stderr = lineSplitter(options.onErrorLine);
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    child.stdin.on('error', () => {}); // a command may end without reading its input
    child.stdin.end(options.input ?? '');
    child.on('error', (failure) => {
      settle();
      reject(new CommandError(line, undefined, failure.message));
    });
    child.on('close', (status) => {
      settle();
      if (refusal !== undefined) {
        reject(new CommandError(line, undefined, `${refusal}\n${lastLines(stderr.text(), 20)}`));
        return;
      }
      resolve({
        status: status ?? undefined,
        stdout: Buffer.concat(stdout).toString(),
        stderr: stderr.text(),
      });
    });
  });
}

/**
 * Runs a long job so that it can't outlive this process: in a process namespace of its own, whose
 * first process the kernel kills when we die, however we die. Its mounts go with it. Needs root.
 */
export function runSealed(
  command: string,
  args: readonly string[],
  options: RunOptions,
): Promise<string> {
  const seal = ['--pdeathsig', 'KILL', 'unshare', '--mount', '--mount-proc', '--pid', '--fork'];
  return run('setpriv', [...seal, '--kill-child', '--', 'nice', command, ...args], options);
}

/** The last `count` lines of a text. */
export function lastLines(text: string, count: number): string {
  return text.trimEnd().split('\n').slice(-count).join('\n');
}

function lineSplitter(onLine: ((line: string) => void) | undefined) {
  const chunks: Buffer[] = [];
  let rest = '';
  return {
    push(chunk: Buffer) {
      chunks.push(chunk);
      if (onLine === undefined) return;
      const lines = (rest + chunk.toString()).split('\n');
      rest = lines.pop() ?? '';
      lines.forEach(onLine);
    },
    text: () => Buffer.concat(chunks).toString(),
  };
}
