import type { Socket } from 'node:net';
import type { ProxyConfig } from '../../api/proxy-config.ts';
import { systemClock, withTimeout, type Clock } from '../../base/clock.ts';
import { deferred } from '../../base/deferred.ts';
import { errorMessage } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { systemRandom, type Random } from '../../base/random.ts';
import { Scope, type Stoppable } from '../../base/scope.ts';
import { startHttpServer, type HttpAnswers } from '../../proxy/admin/http-server.ts';
import {
  grpcEndpoints,
  portsByKind,
  readHostAndPort,
  type GrpcListenConfig,
} from '../listen-address.ts';
import { PodMetrics } from './pod-metrics.ts';
import { openSharedPorts, type SharedPorts } from './shared-ports.ts';
import { chooseWorker } from './spread.ts';
import { WorkerProcess, type WorkerProcessOptions } from './worker-process.ts';
import { Workers } from './workers.ts';

export interface SupervisorOptions {
  readonly config: GrpcListenConfig & Pick<ProxyConfig, 'httpListen'>;
  readonly workers: number;
  /** Starts the process of the worker of that number, from 1. */
  fork(number: number): WorkerProcessOptions['child'];
  /** Workers have logged something. */
  onLines(lines: Buffer): void;
  /** How long a stop may take; then workers are killed that are left. */
  readonly stopLimitMs: number;
  /** Gives up a start. */
  readonly signal: AbortSignal;
  readonly logger: Logger;
  readonly clock?: Clock;
  readonly random?: Random;
}

/** Open connections of a pod; more are closed at once. As many as one proxy has. */
const maxConnections = 10_000;

/**
 * Starts a proxy that is made of several processes: workers, each of which is a whole proxy to the
 * storages and to the other proxies, and this one, which looks like one proxy to Kubernetes and to
 * clients. It owns the ports, and hands each connection to a worker, with which it stays: so votes come
 * to the process that counts them. Resolves when the first worker serves.
 *
 * 1. Liveness, readiness and metrics are there from the beginning.
 * 2. Workers are started, and started again when they end.
 * 3. When the first one serves, the ports are opened.
 * 4. To stop, all workers are told so and take their leave at the same time. The first that wants no
 *    more connections makes the ports be closed: none is sent elsewhere before that, see `takeLeave`.
 */
export async function startSupervisor(
  options: SupervisorOptions,
): Promise<Stoppable & { stopNow(): Promise<void> }> {
  const supervisor = new Supervisor(options);
  try {
    await supervisor.start();
    return supervisor;
  } catch (error) {
    // Why it could not start is what has to be told.
    await supervisor.stopNow().catch(() => {});
    throw error;
  }
}

class Supervisor implements Stoppable {
  readonly #options: SupervisorOptions;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #workers: Workers<WorkerProcess>;
  readonly #metrics: PodMetrics<WorkerProcess>;
  readonly #http = new Scope();
  readonly #firstServes = deferred<void>();
  #ports: SharedPorts | undefined;
  #stopping: Promise<void> | undefined;

  constructor(options: SupervisorOptions) {
    const { clock = systemClock, random = systemRandom, logger } = options;
    this.#options = options;
    this.#clock = clock;
    this.#random = random;
    this.#workers = new Workers({
      count: options.workers,
      start: (number) => this.#startWorker(number),
      onEnded: (worker) => this.#metrics.workerEnded(worker),
      clock,
      random,
      logger,
    });
    this.#metrics = new PodMetrics(
      () => this.#workers.running,
      () => this.#workers.restarts,
    );
  }

  async start(): Promise<void> {
    const { config, workers, logger, signal } = this.#options;
    const addresses = grpcEndpoints(config);
    const { port: httpPort } = this.#http.own(
      await startHttpServer(readHostAndPort(config.httpListen), this.#answers()),
    );
    this.#workers.start();
    await Promise.race([this.#firstServes.promise, this.#workers.failed, rejectedBy(signal)]);
    this.#ports = await openSharedPorts({
      addresses,
      onConnection: (connection, address) => this.#give(connection, address),
      logger,
    });
    logger.info(
      { workers, ...portsByKind(addresses, this.#ports.ports), httpPort },
      'proxy serves',
    );
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /** Without waiting for clients. */
  stopNow(): Promise<void> {
    const stopping = this.stop();
    this.#workers.hurry();
    return stopping;
  }

  async #stop(): Promise<void> {
    const { stopLimitMs } = this.#options;
    const stopping = this.#workers.stop();
    try {
      const inOrder = await withTimeout(this.#clock, stopLimitMs, 'stopping workers', stopping);
      if (!inOrder) throw new Error('a worker did not stop in order: see what it has logged');
    } finally {
      this.#workers.killAll();
      await stopping;
      await this.#ports?.stop();
      await this.#http.stop();
    }
  }

  #startWorker(number: number): WorkerProcess {
    const { fork, onLines, logger } = this.#options;
    return new WorkerProcess({
      number,
      child: fork(number),
      events: {
        onServes: () => this.#firstServes.resolve(),
        onLeaves: (worker) => void this.#letGo(worker),
        onGivenBack: (connection, address) => this.#give(connection, address),
        onLines,
      },
      clock: this.#clock,
      logger,
    });
  }

  #give(connection: Socket, address: number): void {
    const { running } = this.#workers;
    const open = running.reduce((sum, { connections }) => sum + connections, 0);
    if (open >= maxConnections) {
      connection.destroy();
      this.#options.logger.warn({ open }, 'a connection was refused: there are too many');
      return;
    }
    const worker = chooseWorker(running, this.#random);
    // With nobody to serve it, its client had better try another proxy.
    if (worker === undefined) connection.destroy();
    else worker.give(connection, address);
  }

  async #letGo(worker: WorkerProcess): Promise<void> {
    // A client that is sent elsewhere by one worker is not to come back to another.
    if (this.#stopping !== undefined) await this.#ports?.stop();
    worker.tell({ kind: 'noMoreConnections' });
  }

  #answers(): HttpAnswers {
    return {
      notReady: () => this.#notReady(),
      metrics: () => this.#metrics.text(),
      databaseMetrics: () => this.#databaseMetrics(),
    };
  }

  /** It is ready as soon as one worker says so: one that stands still does not hold the answer up. */
  async #notReady(): Promise<string | undefined> {
    if (this.#stopping !== undefined) return 'the proxy is stopping';
    const { running } = this.#workers;
    const checks = running.map(async (worker) => {
      const { notReady } = await worker.ask('readiness');
      if (notReady !== undefined) throw new Error(notReady);
    });
    try {
      await Promise.any(checks);
      return this.#ports === undefined ? 'the ports are not open yet' : undefined;
    } catch (error) {
      const [first] = (error as AggregateError).errors as readonly unknown[];
      return first === undefined ? 'no worker is running' : errorMessage(first);
    }
  }

  /** All tell the same. */
  async #databaseMetrics(): Promise<string | undefined> {
    const asked = this.#workers.running.map((worker) => worker.ask('databaseMetrics'));
    const { text } = await Promise.any(asked);
    return text;
  }
}

function rejectedBy(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const onAbort = () => reject(signal.reason as Error);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
}
