import { spawn, type ChildProcess } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { ProxyConfig, VirtualStorageConfig } from '../../src/api/proxy-config.ts';
import { systemClock, withTimeout } from '../../src/base/clock.ts';
import type { Stoppable } from '../../src/base/scope.ts';
import { bundleProgram } from './bundle.ts';
import { eventually } from './eventually.ts';
import type { DatabaseCoordinates } from './postgres-server.ts';

const startLimitMs = 20_000;

export interface ProxyProcessOptions {
  readonly virtualStorages: readonly VirtualStorageConfig[];
  readonly database: DatabaseCoordinates;
  readonly clientToken: string;
  readonly gitalyToken: string;
}

interface Ports {
  readonly grpcPort: number;
  readonly httpPort: number;
}

/** The proxy as it runs in its image: a process of its own, with files for configuration and secrets. */
export class ProxyProcess implements Stoppable {
  readonly grpcPort: number;
  readonly #folder: string;
  readonly #child: ChildProcess;

  private constructor(folder: string, child: ChildProcess, { grpcPort }: Ports) {
    this.#folder = folder;
    this.#child = child;
    this.grpcPort = grpcPort;
  }

  /** Starts a proxy on free ports. Resolves when it is ready for clients. */
  static async start(options: ProxyProcessOptions): Promise<ProxyProcess> {
    const folder = await mkdtemp(join(tmpdir(), 'proxy-process-'));
    const config = await writeFiles(folder, options);
    const program = await bundleProgram('proxy', folder);
    const child = spawn(process.execPath, [program, '--config', config], {
      env: { PATH: process.env['PATH'] },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      const starting = readPorts(child);
      const ports = await withTimeout(systemClock, startLimitMs, 'the start of a proxy', starting);
      const readyUrl = `http://127.0.0.1:${ports.httpPort}/readyz`;
      await eventually('the proxy is ready', async () => (await fetch(readyUrl)).ok);
      return new ProxyProcess(folder, child, ports);
    } catch (error) {
      child.kill('SIGKILL');
      throw error;
    }
  }

  /** The most memory, in MiB, that the process has had in RAM at once. */
  async peakMiB(): Promise<number> {
    const status = await readFile(`/proc/${this.#child.pid}/status`, 'utf8');
    const kib = /^VmHWM:\s*(\d+) kB$/m.exec(status)?.[1];
    if (kib === undefined) throw new Error('the kernel does not tell the peak of memory');
    return Number(kib) / 1024;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const exited = new Promise((resolve) => this.#child.once('exit', resolve));
      this.#child.kill('SIGTERM');
      await exited;
    }
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** Writes what Kubernetes would mount, and returns where the configuration is. */
async function writeFiles(folder: string, options: ProxyProcessOptions): Promise<string> {
  const { host, port, dbname, username, password } = options.database;
  const secrets = {
    'clients/token': options.clientToken,
    'gitaly/token': options.gitalyToken,
    'database/host': host,
    'database/port': String(port),
    'database/dbname': dbname,
    'database/username': username,
    'database/password': password,
  };
  for (const name of ['clients', 'gitaly', 'database']) await mkdir(join(folder, name));
  for (const [name, secret] of Object.entries(secrets)) await writeFile(join(folder, name), secret);
  const config: ProxyConfig = {
    grpcListen: '127.0.0.1:0',
    httpListen: '127.0.0.1:0',
    clientTokenDir: join(folder, 'clients'),
    gitalyTokenFile: join(folder, 'gitaly/token'),
    databaseDir: join(folder, 'database'),
    virtualStorages: options.virtualStorages,
  };
  const file = join(folder, 'config.json');
  await writeFile(file, JSON.stringify(config));
  return file;
}

/** The proxy says in its log where it listens. Reads on after that, so that the log never blocks. */
function readPorts(child: ChildProcess): Promise<Ports> {
  const { stdout } = child;
  if (stdout === null) throw new Error('the proxy has no standard output');
  return new Promise((resolve, reject) => {
    let last = '';
    createInterface({ input: stdout }).on('line', (line) => {
      last = line;
      const { grpcPort, httpPort } = JSON.parse(line) as Partial<Ports>;
      if (grpcPort !== undefined && httpPort !== undefined) resolve({ grpcPort, httpPort });
    });
    child.once('exit', () => reject(new Error(`the proxy has ended; its last words: ${last}`)));
  });
}
