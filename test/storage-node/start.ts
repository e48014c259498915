import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { systemClock } from '../../src/base/clock.ts';
import { type Logger, silentLogger } from '../../src/base/logger.ts';
import type { NodeConfig } from './config.ts';
import type { FaultPoints } from './faults.ts';
import { runStorageNode, type StorageNode } from './storage-node.ts';

export interface StartOptions {
  /** Name of the storage. */
  readonly name: string;
  /** A folder for the storage and everything else; is made if it does not exist. */
  readonly root: string;
  /** The shared secret; default: none, everybody may call. */
  readonly token?: string;
  /** Default 0: any free port. */
  readonly port?: number;
  readonly gitlab?: { readonly url: string; readonly secret: string };
  /** Default 5 s. */
  readonly gracefulRestartTimeoutMs?: number;
  readonly gitBinary?: string;
  readonly faults?: FaultPoints;
  readonly logger?: Logger;
}

/** A started node, and where it keeps repositories. */
export interface StartedStorageNode extends StorageNode {
  readonly name: string;
  /** The folder of the storage: repository `a/b.git` is at `<storagePath>/a/b.git`. */
  readonly storagePath: string;
}

/** Starts a storage node in this process, on a port of 127.0.0.1. Stop it when the test ends. */
export async function startStorageNode(options: StartOptions): Promise<StartedStorageNode> {
  const { config, storagePath } = await prepare(options);
  const node = await runStorageNode({
    config,
    clock: systemClock,
    logger: options.logger ?? silentLogger,
    ...(options.faults ? { faults: options.faults } : {}),
  });
  return { ...node, name: options.name, storagePath };
}

async function prepare(
  options: StartOptions,
): Promise<{ config: NodeConfig; storagePath: string }> {
  const storagePath = path.join(options.root, 'repositories');
  const runtimeDir = path.join(options.root, 'run');
  await mkdir(storagePath, { recursive: true });
  await mkdir(runtimeDir, { recursive: true });
  return {
    storagePath,
    config: {
      listen: { host: '127.0.0.1', port: options.port ?? 0 },
      prometheusListen: undefined,
      token: options.token ?? '',
      storages: new Map([[options.name, storagePath]]),
      gitlab: options.gitlab,
      gracefulRestartTimeoutMs: options.gracefulRestartTimeoutMs ?? 5_000,
      runtimeDir,
      gitBinary: options.gitBinary ?? 'git',
    },
  };
}
