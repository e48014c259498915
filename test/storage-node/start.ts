import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { systemClock } from '../../src/base/clock.ts';
import { type Logger, silentLogger } from '../../src/base/logger.ts';
import { ownLoopback } from '../support/own-loopback.ts';
import type { NodeConfig } from './config.ts';
import { Faults } from './faults.ts';
import type { Handler } from './grpc/handler.ts';
import { runStorageNode, type StorageNode } from './storage-node.ts';

export interface StartOptions {
  /** Name of the storage. */
  readonly name: string;
  /** A folder for the storage and everything else; is made if it does not exist. */
  readonly root: string;
  /** The shared secret; default: none, everybody may call. */
  readonly token?: string;
  /** Listens with TLS too, and trusts whom other nodes' certificates are signed by. */
  readonly tls?: {
    readonly cert: string;
    readonly key: string;
    readonly trusted: string;
    /** Default 0: any free one. */
    readonly port?: number;
  };
  /** Default 0: any free port. */
  readonly port?: number;
  /** GitLab's internal API; default: none, everything is allowed. */
  readonly gitlab?: { readonly url: string; readonly secret: string };
  /** Default 5 s. */
  readonly gracefulRestartTimeoutMs?: number;
  /** Default `git`. */
  readonly gitBinary?: string;
  readonly logger?: Logger;
  /** See {@link StorageNodeOptions}. */
  readonly handlers?: readonly Handler[];
}

/** A started node, and where it keeps repositories. */
export interface StartedStorageNode extends StorageNode {
  readonly name: string;
  /** The folder of the storage: repository `a/b.git` is at `<storagePath>/a/b.git`. */
  readonly storagePath: string;
  /** Set faults here; `die` does what {@link kill} does. */
  readonly faults: Faults;
  /**
   * Ends the node as SIGKILL to its container would: connections are cut, every git is gone, nothing is cleaned up.
   * The storage stays: start another node on the same root.
   */
  kill(): Promise<void>;
}

/** Starts a storage node in this process, on a port of {@link ownLoopback}. Stop it when the test ends. */
export async function startStorageNode(options: StartOptions): Promise<StartedStorageNode> {
  const config = await prepare(options);
  const kill = async () => {
    node.killGit();
    await node.cut();
  };
  const faults = new Faults(() => {
    kill().catch(() => {});
  });
  const node = await runStorageNode({
    config,
    clock: systemClock,
    logger: options.logger ?? silentLogger,
    faults,
    ...(options.handlers && { handlers: options.handlers }),
  });
  const storagePath = config.storages.get(options.name) ?? '';
  return { ...node, name: options.name, storagePath, faults, kill };
}

async function prepare(options: StartOptions): Promise<NodeConfig> {
  const storagePath = path.join(options.root, 'repositories');
  const runtimeDir = path.join(options.root, 'run');
  await mkdir(storagePath, { recursive: true });
  await mkdir(runtimeDir, { recursive: true });
  return {
    listen: { host: ownLoopback, port: options.port ?? 0 },
    tls: options.tls && {
      ...options.tls,
      listen: { host: ownLoopback, port: options.tls.port ?? 0 },
    },
    trusted: options.tls?.trusted,
    prometheusListen: undefined,
    token: options.token ?? '',
    storages: new Map([[options.name, storagePath]]),
    gitlab: options.gitlab,
    gracefulRestartTimeoutMs: options.gracefulRestartTimeoutMs ?? 5_000,
    runtimeDir,
    gitBinary: options.gitBinary ?? 'git',
  };
}
