import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import type { Clock } from '../../src/base/clock.ts';
import type { Logger } from '../../src/base/logger.ts';
import type { Stoppable } from '../../src/base/scope.ts';
import type { NodeConfig } from './config.ts';
import { type FaultPoints, noFaults } from './faults.ts';
import { ensureFilesystemId } from './filesystem-id.ts';
import { Git } from './git/git.ts';
import { removeStaleLocks } from './git/stale-locks.ts';
import { Storages } from './git/storages.ts';
import { costOf } from './grpc/cost.ts';
import type { Handler } from './grpc/handler.ts';
import { Listener } from './grpc/listener.ts';
import { GrpcServer } from './grpc/server.ts';
import { checkToken } from './grpc/token.ts';
import { HttpGitLabApi, permissiveGitLab } from './hooks/gitlab-api.ts';
import { writeHookScripts } from './hooks/hook-scripts.ts';
import { NodeMetrics } from './metrics.ts';
import { allHandlers, knownServices } from './services/all.ts';
import { FaultyTransaction } from './votes/faulty-transaction.ts';
import { transactionOf } from './votes/transaction.ts';

const healthCheck = '/grpc.health.v1.Health/Check';

export interface StorageNodeOptions {
  readonly config: NodeConfig;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly faults?: FaultPoints;
  /** Serve further methods, or take the place of a node's own. */
  readonly handlers?: readonly Handler[];
}

/** A storage node that runs. */
export interface StorageNode extends Stoppable {
  /** Where it listens, `host:port`. */
  readonly address: string;
  /** Where it listens with TLS, if it does. */
  readonly tlsAddress: string | undefined;
  readonly metrics: NodeMetrics;
  /** Kills every git at once, and what it started: nothing of it is cleaned up. */
  killGit(): void;
  /** Drops all connections and the port; nothing is cleaned up. */
  cut(): Promise<void>;
  /**
   * Finishes the calls under way, within the grace period of the configuration, and stops.
   *
   * @returns true if they all ended in time
   */
  drain(): Promise<boolean>;
}

/**
 * Starts a storage node.
 *
 * 1. Make the storages' folders, give each an id if it has none, and remove what a git that died left
 *    behind.
 * 2. Write the hooks into the runtime folder.
 * 3. Listen.
 */
export async function runStorageNode(options: StorageNodeOptions): Promise<StorageNode> {
  const { config, clock, logger, faults = noFaults, handlers = [] } = options;
  const storages = new Storages(config.storages);
  for (const [, root] of storages.entries()) {
    await mkdir(root, { recursive: true });
    await ensureFilesystemId(root);
    await removeStaleLocks(root, logger);
  }
  await mkdir(config.runtimeDir, { recursive: true });
  const runtimeDir = await mkdtemp(path.join(config.runtimeDir, `gitaly-${process.pid}-`));
  const hooksPath = await writeHookScripts(runtimeDir);
  const git = new Git({
    binary: config.gitBinary,
    hooksPath,
    home: runtimeDir,
    isDiskFull: () => faults.isDiskFull(),
  });
  const metrics = new NodeMetrics();
  const gitlab = config.gitlab ? new HttpGitLabApi(config.gitlab) : permissiveGitLab;
  const server = new GrpcServer({
    handlers: [
      ...allHandlers({
        git,
        storages,
        gitlab,
        transactionOf: (call) => new FaultyTransaction(transactionOf(call), faults, call),
        trusted: config.trusted,
        clock,
        logger,
      }),
      ...handlers,
    ],
    services: knownServices,
    authorize(called, metadata) {
      if (called === healthCheck) return;
      checkToken(config.token, metadata.get('authorization'), clock.wallMs());
    },
    trailers: (called, bytes) => ({ 'x-gitaly-cost': String(costOf(called, bytes)) }),
    async intercept({ path: called, signal }, work) {
      const method = called.slice(called.lastIndexOf('/') + 1);
      return metrics.count(called, async () => {
        await faults.reach({ step: 'call', method }, signal);
        const answer = await work();
        await faults.reach({ step: 'answer', method }, signal);
        return answer;
      });
    },
    clock,
    logger,
  });
  const listener = new Listener({ server, clock, logger });
  const address = await listener.start(config.listen.host, config.listen.port);
  const { tls } = config;
  const tlsAddress = tls && (await listener.startTls(tls.listen.host, tls.listen.port, tls));
  logger.info(
    { address, tlsAddress, storages: [...config.storages.keys()] },
    'storage node listens',
  );

  let stopping: Promise<void> | undefined;
  const stop = () => {
    stopping ??= (async () => {
      await listener.close();
      await rm(runtimeDir, { recursive: true, force: true });
    })();
    return stopping;
  };
  return {
    address,
    tlsAddress,
    metrics,
    killGit: () => git.killAll(),
    cut: () => listener.close(),
    stop,
    async drain() {
      const inTime = await listener.drain(config.gracefulRestartTimeoutMs);
      await stop();
      return inTime;
    },
  };
}
