import { AggregatorRegistry, Counter, Gauge, Registry } from 'prom-client';
import type { MetricReport } from './messages.ts';
import type { WorkerProcess } from './worker-process.ts';

/** What there is to know of a worker here. */
export type MeasuredWorker = Pick<
  WorkerProcess,
  'number' | 'isServing' | 'isResponsive' | 'connections' | 'ask'
>;

/**
 * The metrics of all workers of a pod as one proxy's. Counters and histograms are added up. What a worker
 * had counted when it was last asked stays in the sum after its end, as a counter that falls would be
 * taken for one that began again. Gauges are added up or the least counts, as each says of itself.
 */
export class PodMetrics<W extends MeasuredWorker> {
  /** Of the workers themselves. */
  readonly registry = new Registry();
  readonly #workers: () => readonly W[];
  readonly #last = new Map<W, MetricReport>();
  #ofEnded: Promise<MetricReport> = Promise.resolve([]);

  /**
   * @param workers those that run
   * @param restarts how often one was started again
   */
  constructor(workers: () => readonly W[], restarts: () => number) {
    this.#workers = workers;
    for (const metric of [
      servingGauge(workers),
      connectionsGauge(workers),
      restartCounter(restarts),
    ]) {
      this.registry.registerMetric(metric);
    }
  }

  /** In Prometheus' text form. A worker that does not answer counts with what it said before. */
  async text(): Promise<string> {
    await Promise.all(this.#workers().map((worker) => this.#ask(worker)));
    const own = (await this.registry.getMetricsAsJSON()) as MetricReport;
    const sum = addUp([await this.#ofEnded, ...this.#last.values(), own]);
    return sum.metrics();
  }

  /** Keeps what a worker has counted that has ended. */
  workerEnded(worker: W): void {
    const last = this.#last.get(worker);
    this.#last.delete(worker);
    if (last === undefined) return;
    // The types say that it is a number; it is a word.
    const lasting = last.filter(({ type }) => lastingTypes.has(String(type)));
    this.#ofEnded = this.#ofEnded.then(
      (before) => addUp([before, lasting]).getMetricsAsJSON() as Promise<MetricReport>,
    );
  }

  async #ask(worker: W): Promise<void> {
    try {
      const report = await worker.ask('metrics');
      // It may have ended since.
      if (this.#workers().includes(worker)) this.#last.set(worker, report);
    } catch {
      // What it said before has to do.
    }
  }
}

const lastingTypes: ReadonlySet<string> = new Set(['counter', 'histogram']);

function addUp(reports: readonly MetricReport[]): Registry {
  return AggregatorRegistry.aggregate([...reports]);
}

function servingGauge(workers: () => readonly MeasuredWorker[]): Gauge {
  return new Gauge({
    name: 'gitaly_proxy_workers',
    help: 'Workers of this proxy that take connections.',
    registers: [],
    collect() {
      const taking = workers().filter(({ isServing, isResponsive }) => isServing && isResponsive);
      this.set(taking.length);
    },
  });
}

function connectionsGauge(workers: () => readonly MeasuredWorker[]): Gauge {
  return new Gauge({
    name: 'gitaly_proxy_worker_connections',
    help: 'Connections of clients that a worker has.',
    labelNames: ['worker'],
    registers: [],
    collect() {
      this.reset();
      for (const { number, connections } of workers()) {
        this.set({ worker: String(number) }, connections);
      }
    },
  });
}

function restartCounter(restarts: () => number): Counter {
  return new Counter({
    name: 'gitaly_proxy_worker_restarts_total',
    help: 'How often a worker of this proxy has ended by itself, and was started again.',
    registers: [],
    collect() {
      this.reset();
      this.inc(restarts());
    },
  });
}
