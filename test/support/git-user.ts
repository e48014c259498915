import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import type { Stoppable } from '../../src/base/scope.ts';
import { bundleProgram } from './bundle.ts';

const run = promisify(execFile);

/** Says at its end how much memory the process had at most. */
const peakReporter = `
import { writeFileSync } from 'node:fs';
process.on('exit', () => {
  writeFileSync(process.env.PEAK_FILE, String(process.resourceUsage().maxRSS));
});
`;

/** Nothing that git does here takes so long, pushes of 200 MB included: it ends instead of a hanging test. */
const limitMs = 240_000;

const identity = {
  GIT_AUTHOR_NAME: 'Jane',
  GIT_AUTHOR_EMAIL: 'jane@example.com',
  GIT_COMMITTER_NAME: 'Jane',
  GIT_COMMITTER_EMAIL: 'jane@example.com',
};

export interface GitUserOptions {
  /** The server, `host:port`. */
  readonly address: string;
  readonly token: string;
}

/** What is special about one run of git. */
export interface GitRun {
  /** Default: {@link GitUser.folder}. */
  readonly cwd?: string;
  /** Over the user's environment; undefined takes a variable out of it. */
  readonly env?: NodeJS.ProcessEnv;
}

/** Somebody with a real git, which speaks to a server through our command line. */
export class GitUser implements Stoppable {
  /** For work trees and clones. Gone after `stop`. */
  readonly folder: string;
  readonly #address: string;
  readonly #program: string;

  private constructor(options: GitUserOptions, folder: string, program: string) {
    this.#address = options.address;
    this.folder = folder;
    this.#program = program;
  }

  static async create(options: GitUserOptions): Promise<GitUser> {
    const folder = await mkdtemp(join(tmpdir(), 'git-user-'));
    await writeFile(join(folder, 'token'), `${options.token}\n`);
    await writeFile(join(folder, 'peak.mjs'), peakReporter);
    return new GitUser(options, folder, await bundleProgram('cli', folder));
  }

  /** What the shell makes of `gitaly-ha git-ssh`, had it been installed. */
  get command(): readonly string[] {
    return [process.execPath, this.#program, 'git-ssh'];
  }

  /** Where the virtual storage `default` has a repository. */
  url(relativePath: string): string {
    return `ssh://git@${this.#address}/default/${relativePath}`;
  }

  environment(overrides: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
    return {
      ...identity,
      PATH: process.env['PATH'],
      HOME: this.folder,
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_TERMINAL_PROMPT: '0',
      GIT_SSH_COMMAND: this.command.join(' '),
      // Without it git asks first whether we are like OpenSSH, which takes a process each time.
      GIT_SSH_VARIANT: 'ssh',
      GITALY_HA_TOKEN_FILE: join(this.folder, 'token'),
      ...overrides,
    };
  }

  /** Runs git and returns its output without the space around it. Rejects unless it exits with 0. */
  async git(args: readonly string[], { cwd = this.folder, env = {} }: GitRun = {}) {
    const all = ['-c', 'core.compression=0', '-c', 'gc.auto=0', ...args];
    const settings = { cwd, env: this.environment(env), timeout: limitMs };
    const { stdout } = await run('git', all, settings);
    return stdout.trim();
  }

  /** What git says on stderr when it fails. */
  async gitFailure(args: readonly string[], settings: GitRun = {}): Promise<string> {
    return this.git(args, settings).then(
      () => 'it did not fail',
      (error: { stderr?: string }) => error.stderr ?? 'it failed without a word',
    );
  }

  /** As {@link git}. Resolves with the most memory, in MiB, that our part of it had. */
  async peakOf(args: readonly string[], settings: GitRun = {}): Promise<number> {
    const peakFile = join(this.folder, 'peak');
    const reporter = pathToFileURL(join(this.folder, 'peak.mjs')).href;
    const [node = '', ...rest] = this.command;
    const command = [node, '--import', reporter, ...rest].join(' ');
    const env = { ...settings.env, GIT_SSH_COMMAND: command, PEAK_FILE: peakFile };
    await this.git(args, { ...settings, env });
    return Number(await readFile(peakFile, 'utf8')) / 1024;
  }

  /** Makes a work tree with one commit, of one file. */
  async workTree(name: string, content: string | Buffer = 'hello'): Promise<string> {
    const path = join(this.folder, name);
    await this.git(['init', '-q', '-b', 'main', path]);
    await this.commit(path, content);
    return path;
  }

  /** Commits a new content of the file in a work tree, and returns the commit's id. */
  async commit(cwd: string, content: string | Buffer): Promise<string> {
    await writeFile(join(cwd, 'file'), content);
    await this.git(['add', 'file'], { cwd });
    await this.git(['commit', '-q', '-m', 'a change'], { cwd });
    return this.git(['rev-parse', 'HEAD'], { cwd });
  }

  async stop(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}
