import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Stoppable } from '../../src/base/scope.ts';
import type { Endpoint } from '../support/service-relay.ts';
import { run, tryRun, type RunResult } from '../testbed/run.ts';

/** Where git finds a GitalyCluster, and how it logs in. */
export interface GitRemote extends Endpoint {
  readonly token: string;
  readonly virtualStorage: string;
  /** A file with the authority that the server's certificate is signed by. Default: no TLS. */
  readonly caFile?: string;
}

const identity = {
  GIT_AUTHOR_NAME: 'Scenario',
  GIT_AUTHOR_EMAIL: 'scenario@example.com',
  GIT_COMMITTER_NAME: 'Scenario',
  GIT_COMMITTER_EMAIL: 'scenario@example.com',
};

/** What is special about one run. */
export interface TryGitOptions {
  /** Default 60 s. */
  readonly limitMs?: number;
  /** Instead of the product's command. */
  readonly sshCommand?: string;
}

/** Plain git, with the product's command in the place of ssh. */
export class Git implements Stoppable {
  readonly #remote: GitRemote;
  readonly #scratch: string;

  private constructor(remote: GitRemote, scratch: string) {
    this.#remote = remote;
    this.#scratch = scratch;
  }

  static async create(remote: GitRemote): Promise<Git> {
    const scratch = await mkdtemp(join(tmpdir(), 'gitaly-scenario-'));
    const git = new Git(remote, scratch);
    await git.useToken(remote.token);
    return git;
  }

  /** Logs in with another token from now on. */
  async useToken(token: string): Promise<void> {
    // At once, as a command that starts just now may read it.
    await writeFile(join(this.#scratch, 'new-token'), token, { mode: 0o600 });
    await rename(join(this.#scratch, 'new-token'), join(this.#scratch, 'token'));
  }

  get address(): Endpoint {
    return this.#remote;
  }

  /** The same by another way. It shares login and folders with this one, and ends with it. */
  by(address: Endpoint): Git {
    return new Git({ ...this.#remote, ...address }, this.#scratch);
  }

  /** An empty folder's name that nobody else uses. */
  folder(name: string): string {
    return join(this.#scratch, name);
  }

  /** The product's command, for a shell. */
  get sshCommand(): string {
    return `"${process.execPath}" "${resolve('dist/cli.js')}" git-ssh`;
  }

  url(relativePath: string): string {
    const { host, port, virtualStorage } = this.#remote;
    return `ssh://${host}:${port}/${virtualStorage}/${relativePath}`;
  }

  /** Runs git and returns its output without the last line break; anything but exit 0 throws. */
  async git(cwd: string, args: readonly string[], limitMs = 120_000): Promise<string> {
    const output = await run('git', args, { cwd, env: this.#environment(), limitMs });
    return output.trimEnd();
  }

  /** Runs git to its end, whatever its exit code. */
  tryGit(cwd: string, args: readonly string[], options: TryGitOptions = {}): Promise<RunResult> {
    const { limitMs = 60_000, sshCommand = this.sshCommand } = options;
    const env = { ...this.#environment(), GIT_SSH_COMMAND: sshCommand };
    return tryRun('git', args, { cwd, env, limitMs });
  }

  async stop(): Promise<void> {
    await rm(this.#scratch, { recursive: true, force: true });
  }

  #environment(): Readonly<Record<string, string>> {
    const { host, port, caFile } = this.#remote;
    return {
      ...(caFile && { GITALY_HA_ADDRESS: `tls://${host}:${port}`, GITALY_HA_CA_FILE: caFile }),
      ...identity,
      GIT_SSH_COMMAND: this.sshCommand,
      GIT_SSH_VARIANT: 'ssh',
      GIT_TERMINAL_PROMPT: '0',
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_CONFIG_SYSTEM: '/dev/null',
      GITALY_HA_TOKEN_FILE: join(this.#scratch, 'token'),
    };
  }
}
