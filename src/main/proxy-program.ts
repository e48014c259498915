import { fork } from 'node:child_process';
import type { ProxyConfig } from '../api/proxy-config.ts';
import type { Logger } from '../base/logger.ts';
import type { BatchedOutput } from './batched-output.ts';
import type { ProxyServer } from './proxy-server.ts';
import type { ProxyServerOptions } from './proxy-server-options.ts';
import { ordersFromSignals, serveUntilTold } from './stop-orders.ts';
import { startSupervisor } from './workers/supervisor.ts';
import { SupervisorLink } from './workers/supervisor-link.ts';
import { shareOf, workerCount } from './workers/worker-count.ts';

/** In the environment of a worker: its number, from 1. */
const workerVariable = 'PROXY_WORKER';

/** What a stop may take beyond the time that clients get: see `takeLeave`. */
const endLimitMs = 22_000;
/** What a supervisor waits longer than its workers do. */
const supervisorMarginMs = 1000;

/** What follows from the role that a process has in its pod. */
export interface ProxyRole {
  /** How many connections to the database it may have, besides the one that listens. */
  readonly poolSize: number;
  /** Its number, if it is a worker of several. */
  readonly worker: number | undefined;
  readonly options: Pick<ProxyServerOptions, 'signal' | 'supervisor' | 'parallelRepairs'>;
}

export interface ProxyProgramOptions {
  readonly config: ProxyConfig;
  /** The program to start workers with: this one. */
  readonly program: string;
  readonly args: readonly string[];
  startProxy(role: ProxyRole): Promise<ProxyServer>;
  readonly output: BatchedOutput;
  readonly logger: Logger;
}

/** The worker that this process is, or undefined if it is alone or supervises others. */
export function workerNumber(): number | undefined {
  const text = process.env[workerVariable];
  return text === undefined ? undefined : Number(text);
}

/**
 * Runs a proxy until it is told to stop: in this process if it is the only one or a worker, else in
 * workers that this process supervises. Rejects with what to do if it cannot start.
 *
 * @returns the exit code
 */
export async function runProxyProgram(options: ProxyProgramOptions): Promise<number> {
  const { config, logger, startProxy } = options;
  const count = workerCount(config, process.env);
  const { poolSize, parallelRepairs } = shareOf(count);
  const limitMs = config.stop.lameDuckMs + config.stop.callsMs + endLimitMs;
  const worker = workerNumber();
  if (worker !== undefined) {
    const link = new SupervisorLink(process);
    const start = async () => {
      const own = { signal: link.stop, supervisor: link, parallelRepairs };
      const server = await startProxy({ poolSize, worker, options: own });
      link.serves();
      return server;
    };
    return serveUntilTold({ start, orders: link, limitMs, logger });
  }
  const orders = ordersFromSignals(process);
  if (count === 1) {
    const own = { signal: orders.stop, parallelRepairs };
    const start = () => startProxy({ poolSize, worker, options: own });
    return serveUntilTold({ start, orders, limitMs, logger });
  }
  const stopLimitMs = limitMs + supervisorMarginMs;
  const start = () => supervise(options, count, { signal: orders.stop, stopLimitMs });
  return serveUntilTold({ start, orders, limitMs: stopLimitMs + supervisorMarginMs, logger });
}

function supervise(
  { config, program, args, output, logger }: ProxyProgramOptions,
  workers: number,
  limits: { readonly signal: AbortSignal; readonly stopLimitMs: number },
) {
  return startSupervisor({
    config,
    workers,
    fork: (number) =>
      fork(program, args, {
        env: { ...process.env, [workerVariable]: String(number) },
        // Lines of several processes are put together here: none may be torn.
        stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
      }),
    onLines: (lines) => output.writeBytes(lines),
    ...limits,
    logger,
  });
}
