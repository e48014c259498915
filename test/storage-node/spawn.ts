import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { systemClock, withTimeout } from '../../src/base/clock.ts';
import type { Stoppable } from '../../src/base/scope.ts';
import { ownLoopback } from '../support/own-loopback.ts';
import type { Fault } from './faults.ts';

/** For what hangs: on a machine that does much else, a start takes many times what it takes alone. */
const startTimeoutMs = 60_000;

export interface SpawnOptions {
  /** Name of the storage. */
  readonly name: string;
  /** A folder for the storage and everything else; is made if it does not exist. */
  readonly root: string;
  readonly token?: string;
  /** Default 0: any free port. */
  readonly port?: number;
  /** Default 5 s. */
  readonly gracefulRestartTimeoutMs?: number;
}

/** A node in a process of its own. */
export interface SpawnedStorageNode extends Stoppable {
  readonly name: string;
  readonly address: string;
  readonly storagePath: string;
  readonly pid: number;
  /** The exit code; undefined if a signal ended it. */
  readonly exited: Promise<number | undefined>;
  /** Sends a signal to the node alone. */
  signal(signal: NodeJS.Signals): void;
  /** SIGKILL to the node; its gits notice by their closed pipes. */
  kill(): Promise<void>;
  addFault(fault: Fault): Promise<void>;
  clearFaults(): Promise<void>;
}

/** Starts a storage node as a process, as its image does, and waits until it serves. */
export async function spawnStorageNode(options: SpawnOptions): Promise<SpawnedStorageNode> {
  const storagePath = path.join(options.root, 'repositories');
  const configFile = await writeConfig(options, storagePath);
  const main = fileURLToPath(new URL('main.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', main, 'serve', configFile], {
    env: {
      ...process.env,
      NODE_OPTIONS: '',
      GITALY_TEST_FAULTS: '1',
      GITALY_TEST_FAULTS_LISTEN: '127.0.0.1:0',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = new Promise<number | undefined>((resolve) => {
    child.once('exit', (code) => resolve(code ?? undefined));
  });
  const { address, faultAddress } = await readAddresses(child).catch((error: unknown) => {
    child.kill('SIGKILL');
    throw error;
  });
  const faults = (method: string, body?: unknown) => setFaults(faultAddress, method, body);
  const kill = async () => {
    child.kill('SIGKILL');
    await exited;
  };
  return {
    name: options.name,
    address,
    storagePath,
    pid: child.pid ?? 0,
    exited,
    signal: (signal) => child.kill(signal),
    kill,
    stop: kill,
    addFault: (fault) => faults('POST', fault),
    clearFaults: () => faults('DELETE'),
  };
}

async function writeConfig(options: SpawnOptions, storagePath: string): Promise<string> {
  const runtimeDir = path.join(options.root, 'run');
  await mkdir(storagePath, { recursive: true });
  await mkdir(runtimeDir, { recursive: true });
  const file = path.join(options.root, 'config.toml');
  const text = JSON.stringify;
  const lines = [
    `listen_addr = "${ownLoopback}:${options.port ?? 0}"`,
    `runtime_dir = ${text(runtimeDir)}`,
    `graceful_restart_timeout = "${options.gracefulRestartTimeoutMs ?? 5_000}ms"`,
    '[auth]',
    `token = ${text(options.token ?? '')}`,
    '[[storage]]',
    `name = ${text(options.name)}`,
    `path = ${text(storagePath)}`,
  ];
  await writeFile(file, `${lines.join('\n')}\n`);
  return file;
}

/** The node says in its log where it listens. */
async function readAddresses(
  child: ChildProcess,
): Promise<{ address: string; faultAddress: string }> {
  const { stdout } = child;
  if (!stdout) throw new Error('the storage node has no standard output');
  const addresses: string[] = [];
  const lines = createInterface({ input: stdout });
  const found = new Promise<void>((resolve, reject) => {
    lines.on('line', (line) => {
      const { address } = parseLine(line);
      if (typeof address === 'string') addresses.push(address);
      if (addresses.length === 2) resolve();
    });
    child.once('exit', (code) => reject(new Error(`the storage node exited with ${String(code)}`)));
  });
  await withTimeout(systemClock, startTimeoutMs, 'the start of a storage node', found);
  const [address = '', faultAddress = ''] = addresses;
  return { address, faultAddress };
}

function parseLine(line: string): { address?: unknown } {
  try {
    return JSON.parse(line) as { address?: unknown };
  } catch {
    return {};
  }
}

async function setFaults(address: string, method: string, body: unknown): Promise<void> {
  const response = await fetch(`http://${address}/faults`, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (!response.ok) throw new Error(`setting a fault failed: ${await response.text()}`);
}
