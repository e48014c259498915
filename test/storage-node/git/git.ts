import { type ChildProcess, spawn } from 'node:child_process';
import type { Duplex, Readable, Writable } from 'node:stream';

/** Config of every git that we start. It depends neither on the machine nor on the user. */
const config = [
  'core.autocrlf=input',
  'core.useReplaceRefs=false',
  // A process that dies loses nothing that it wrote; the machine's death is not what tests are about.
  'core.fsync=none',
  // Volumes may belong to another user than we are.
  'safe.directory=*',
  'gc.auto=0',
  'maintenance.auto=false',
  'receive.autogc=false',
  'receive.advertisePushOptions=true',
  'transfer.advertiseObjectInfo=false',
  'uploadpack.allowFilter=true',
  'uploadpack.allowAnySHA1InWant=true',
];

/** Runs the rest of the arguments so that no file can grow: the nearest to a full disk that needs no disk. */
const onFullDisk = ['/bin/sh', '-c', 'trap \'\' XFSZ; ulimit -f 0; exec "$@"', 'sh'];

/** The output of one git, at most so many bytes: more means that the wrong call was used. */
const maxOutputLength = 64 * 1024 * 1024;

export interface GitOptions {
  /** Path or name of git. */
  readonly binary: string;
  /** Where our hooks are; see hook-scripts.ts. */
  readonly hooksPath: string;
  /** A folder without anything for git, so that nothing of the user's is read. */
  readonly home: string;
  /** True makes every write of git to a file fail. */
  isDiskFull?(): boolean;
}

export interface GitRun {
  /** Text or bytes for standard input; none means empty. */
  readonly input?: string | Uint8Array;
  /** Ends git and what it started. */
  readonly signal?: AbortSignal;
  readonly env?: Readonly<Record<string, string>>;
  /** `-c` settings besides ours, like `core.bare=true`. */
  readonly config?: readonly string[];
}

export interface GitSpawn extends GitRun {
  /** Serves the hooks of this git; without it git runs none. */
  readonly hooks?: (channel: Duplex) => void;
}

export interface GitResult {
  readonly exitCode: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** A git that runs. */
export interface GitProcess {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** The exit code, once all output is read; 128 + n if signal n ended it. */
  readonly exited: Promise<number>;
}

/** Starts git with an environment of its own. */
export class Git {
  readonly #options: GitOptions;
  readonly #running = new Set<ChildProcess>();

  constructor(options: GitOptions) {
    this.#options = options;
  }

  /** Kills every git that runs, with all it started. Lock files stay behind, as after the death of a machine. */
  killAll(): void {
    for (const child of this.#running) killGroup(child, 'SIGKILL');
  }

  /** Runs git in the repository to its end and gives what it wrote, whatever its exit code is. */
  async run(repository: string, args: readonly string[], run: GitRun = {}): Promise<GitResult> {
    const git = this.spawn(repository, args, run);
    git.stdin.end(run.input);
    const [stdout, stderr, exitCode] = await Promise.all([
      readAll(git.stdout),
      readAll(git.stderr),
      git.exited,
    ]);
    run.signal?.throwIfAborted();
    return { exitCode, stdout, stderr: stderr.toString() };
  }

  /** Like {@link run}, for a git that has to succeed. */
  async output(repository: string, args: readonly string[], run: GitRun = {}): Promise<Buffer> {
    const result = await this.run(repository, args, run);
    if (result.exitCode === 0) return result.stdout;
    throw new Error(`git ${args[0] ?? ''}: exit status ${result.exitCode}: ${result.stderr}`);
  }

  /** Starts git in the repository. It is ended, with all its children, when the signal aborts. */
  spawn(repository: string, args: readonly string[], run: GitSpawn = {}): GitProcess {
    const hooksPath = run.hooks ? this.#options.hooksPath : '/dev/null';
    const settings = [...config, `core.hooksPath=${hooksPath}`, ...(run.config ?? [])];
    const command = [
      this.#options.binary,
      ...settings.flatMap((setting) => ['-c', setting]),
      ...args,
    ];
    const [program = '', ...programArgs] = this.#options.isDiskFull?.()
      ? [...onFullDisk, ...command]
      : command;
    const child = spawn(program, programArgs, {
      cwd: repository,
      env: { ...this.#environment(repository), ...run.env },
      // A process group of its own, so that hooks and helpers can be ended with it.
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe', run.hooks ? 'pipe' : 'ignore'],
    });
    this.#running.add(child);
    child.once('close', () => this.#running.delete(child));
    run.hooks?.(child.stdio[3] as Duplex);
    const exited = exitOf(child);
    endWith(run.signal, child);
    const { stdin, stdout, stderr } = child;
    if (!stdin || !stdout || !stderr) throw new Error('git was started without pipes');
    // git may end before it read everything: its exit code tells, the broken pipe does not.
    stdin.on('error', () => {});
    return { stdin, stdout, stderr, exited };
  }

  #environment(repository: string): Record<string, string> {
    return {
      PATH: process.env['PATH'] ?? '/usr/bin:/bin',
      HOME: this.#options.home,
      LANG: 'C.UTF-8',
      GIT_DIR: repository,
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_ATTR_NOSYSTEM: '1',
      GIT_TERMINAL_PROMPT: '0',
    };
  }
}

/** Everything that a stream brings. */
export async function readAll(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > maxOutputLength) throw new Error('git wrote more than was expected');
  }
  return Buffer.concat(chunks);
}

function exitOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(code ?? (signal === 'SIGKILL' ? 137 : 143)));
  });
}

function endWith(signal: AbortSignal | undefined, child: ChildProcess): void {
  // SIGTERM lets git remove its lock files.
  const end = () => killGroup(child, 'SIGTERM');
  if (signal?.aborted) end();
  else signal?.addEventListener('abort', end, { once: true });
  child.once('close', () => signal?.removeEventListener('abort', end));
}

function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, signal);
  } catch {
    // It is gone already.
  }
}
