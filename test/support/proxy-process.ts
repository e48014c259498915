import { spawn, type ChildProcess } from 'node:child_process';
import { mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type {
  ProxyConfig,
  ProxyStopPolicy,
  VirtualStorageConfig,
} from '../../src/api/proxy-config.ts';
import { proxyNodeOptions } from '../../src/api/proxy-node-options.ts';
import type { Stoppable } from '../../src/base/scope.ts';
import { bundleProgram } from './bundle.ts';
import { eventually } from './eventually.ts';
import { imageNode } from './image-node.ts';
import type { DatabaseCoordinates } from './postgres-server.ts';
import { childrenOf, peakMiBOf, residentMiBOf } from './process-usage.ts';

const startLimitMs = 60_000;

export interface ProxyProcessOptions {
  readonly virtualStorages: readonly VirtualStorageConfig[];
  /** Where control state lives; `memory`: in a store of its own that begins with so many repositories. */
  readonly store: DatabaseCoordinates | { readonly kind: 'memory'; readonly repositories: number };
  readonly clientToken: string;
  readonly gitalyToken: string;
  /** Default: it goes at once, when its calls have ended. */
  readonly stop?: ProxyStopPolicy;
  /** Where it listens for clients, `host:port`. Default: any free port of 127.0.0.1. */
  readonly grpcListen?: string;
  /** Further configuration. */
  readonly config?: Partial<ProxyConfig>;
}

interface Ports {
  readonly grpcPort: number;
  readonly grpcTlsPort: number;
  readonly httpPort: number;
}

/** The proxy as it runs in its pod: a process on the image's Node.js, with files for configuration and secrets. */
export class ProxyProcess implements Stoppable {
  readonly grpcPort: number;
  readonly grpcTlsPort: number;
  readonly httpPort: number;
  readonly pid: number;
  readonly #folder: string;
  readonly #child: ChildProcess;
  readonly #exited: Promise<number | null>;
  readonly #readyUrl: string;

  private constructor(folder: string, child: ChildProcess, pid: number, ports: Ports) {
    this.#folder = folder;
    this.#child = child;
    this.pid = pid;
    this.grpcPort = ports.grpcPort;
    this.grpcTlsPort = ports.grpcTlsPort;
    this.httpPort = ports.httpPort;
    this.#readyUrl = readyUrlOf(ports);
    this.#exited = new Promise((resolve) => child.once('exit', resolve));
  }

  /** Starts a proxy on free ports. Resolves when it is ready for clients. */
  static async start(options: ProxyProcessOptions): Promise<ProxyProcess> {
    const folder = await mkdtemp(join(tmpdir(), 'proxy-process-'));
    const { child, logFile } = await spawnProxy(folder, options);
    try {
      const ports = await eventually(
        'the proxy serves',
        () => readPorts(child, logFile),
        startLimitMs,
      );
      await eventually(
        'the proxy is ready',
        async () => (await fetch(readyUrlOf(ports))).ok,
        startLimitMs,
      );
      if (child.pid === undefined) throw new Error('the proxy has no process');
      return new ProxyProcess(folder, child, child.pid, ports);
    } catch (error) {
      child.kill('SIGKILL');
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** The most memory, in MiB, that the process has had in RAM at once. */
  peakMiB(): Promise<number> {
    return peakMiBOf(this.pid);
  }

  /** The memory, in MiB, that the process has in RAM now. */
  residentMiB(): Promise<number> {
    return residentMiBOf(this.pid);
  }

  /** The processes of its workers, by their numbers. */
  async workerPids(): Promise<ReadonlyMap<number, number>> {
    const pids = await childrenOf(this.pid);
    return new Map(
      await Promise.all(
        pids.map(async (pid) => {
          const environment = await readFile(`/proc/${pid}/environ`, 'utf8');
          return [Number(/(?:^|\0)PROXY_WORKER=(\d+)/.exec(environment)?.[1]), pid] as const;
        }),
      ),
    );
  }

  /** What it has logged so far, line by line. */
  async logLines(): Promise<readonly string[]> {
    const text = await readFile(join(this.#folder, 'log'), 'utf8');
    return text.split('\n').slice(0, -1);
  }

  /** What it says at an address of its operations. */
  async get(path: '/metrics' | '/db_metrics' | '/readyz' | '/livez'): Promise<Response> {
    return fetch(`http://127.0.0.1:${this.httpPort}${path}`);
  }

  /** Sends a signal, as Kubernetes does to a pod that is to go. */
  signal(name: 'SIGTERM'): void {
    this.#child.kill(name);
  }

  async isReady(): Promise<boolean> {
    return (await fetch(this.#readyUrl)).ok;
  }

  /** The exit code, once there is one. */
  get exitCode(): Promise<number | null> {
    return this.#exited;
  }

  async stop(): Promise<void> {
    this.signal('SIGTERM');
    await this.#exited;
    await rm(this.#folder, { recursive: true, force: true });
  }
}

async function spawnProxy(folder: string, options: ProxyProcessOptions) {
  const { store } = options;
  const inMemory = 'kind' in store;
  const config = await writeFiles(folder, options);
  const program = await bundleProgram(inMemory ? 'memory-proxy' : 'proxy', folder);
  const args = ['--config', config];
  if (inMemory) args.push('--repositories', String(store.repositories));
  // A file takes whatever comes, at no cost for whoever started the proxy.
  const logFile = join(folder, 'log');
  const log = await open(logFile, 'w');
  const child = spawn(await imageNode(), [...proxyNodeOptions, program, ...args], {
    env: { PATH: process.env['PATH'] },
    stdio: ['ignore', log.fd, 'inherit'],
  });
  await log.close();
  return { child, logFile };
}

function readyUrlOf({ httpPort }: Ports): string {
  return `http://127.0.0.1:${httpPort}/readyz`;
}

/** Writes what Kubernetes would mount, and returns where the configuration is. */
async function writeFiles(folder: string, options: ProxyProcessOptions): Promise<string> {
  const secrets = {
    'clients/token': options.clientToken,
    'gitaly/token': options.gitalyToken,
    ...('kind' in options.store ? {} : databaseFiles(options.store)),
  };
  for (const name of ['clients', 'gitaly', 'database']) await mkdir(join(folder, name));
  for (const [name, secret] of Object.entries(secrets)) await writeFile(join(folder, name), secret);
  const config: ProxyConfig = {
    grpcListen: options.grpcListen ?? '127.0.0.1:0',
    httpListen: '127.0.0.1:0',
    clientTokenDir: join(folder, 'clients'),
    gitalyTokenDir: join(folder, 'gitaly'),
    databaseDir: join(folder, 'database'),
    virtualStorages: options.virtualStorages,
    stop: options.stop ?? { lameDuckMs: 0, callsMs: 45_000 },
    ...options.config,
  };
  const file = join(folder, 'config.json');
  await writeFile(file, JSON.stringify(config));
  return file;
}

function databaseFiles({ host, port, dbname, username, password }: DatabaseCoordinates) {
  return {
    'database/host': host,
    'database/port': String(port),
    'database/dbname': dbname,
    'database/username': username,
    'database/password': password,
  };
}

/** The proxy says in its log where it listens. */
async function readPorts(child: ChildProcess, logFile: string): Promise<Ports | undefined> {
  // Asked first: its last words may come after a look into the log.
  const hasEnded = child.exitCode !== null || child.signalCode !== null;
  const lines = (await readFile(logFile, 'utf8')).split('\n').slice(0, -1);
  if (hasEnded) {
    throw new Error(`the proxy has ended; its last words: ${lines.at(-1)}`);
  }
  for (const line of lines) {
    const { grpcPort, grpcTlsPort = 0, httpPort } = JSON.parse(line) as Partial<Ports>;
    if (grpcPort !== undefined && httpPort !== undefined) {
      return { grpcPort, grpcTlsPort, httpPort };
    }
  }
  return undefined;
}
