import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundleWorker, type Edit } from './bundle.ts';
import type { WorkerReport, WorkerTask } from './worker.ts';

export interface ExploreOptions {
  readonly seed: number;
  /** How many schedules. Default: no end. */
  readonly runs?: number;
  readonly seconds?: number;
  readonly workers: number;
  /** How many schedules may fail before it ends. */
  readonly maxViolations: number;
  /** Scenarios. Default: all. */
  readonly only?: readonly string[];
  /** Faults. Default: all. */
  readonly faults?: readonly string[];
  /** Changes the product's code first. */
  readonly edits?: readonly Edit[];
  /** Called now and then with the figures so far. */
  onProgress?(figures: Figures): void;
}

export interface Figures extends Omit<WorkerReport, 'isDone'> {
  readonly elapsedMs: number;
}

/**
 * Plays schedules in worker processes until all have been played, the time is over, or too many have failed.
 *
 * @throws Error if a worker ends otherwise
 */
export async function explore(options: ExploreOptions): Promise<Figures> {
  const folder = await mkdtemp(join(tmpdir(), 'simulation-'));
  const bundle = join(folder, 'worker.mjs');
  try {
    await bundleWorker(bundle, options.edits);
    return await new Exploration(options).run(bundle);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

class Exploration {
  readonly #options: ExploreOptions;
  readonly #startedMs = performance.now();
  readonly #children = new Set<ChildProcess>();
  #sums: Omit<WorkerReport, 'isDone'> = none;
  #isOver = false;

  constructor(options: ExploreOptions) {
    this.#options = options;
  }

  async run(bundle: string): Promise<Figures> {
    const { seconds, workers } = this.#options;
    const timer = seconds === undefined ? undefined : setTimeout(() => this.#end(), seconds * 1000);
    try {
      const indices = Array.from({ length: workers }, (_, index) => index);
      await Promise.all(indices.map((index) => this.#work(bundle, index)));
    } finally {
      clearTimeout(timer);
      this.#end();
    }
    return this.#figures;
  }

  async #work(bundle: string, index: number): Promise<void> {
    const { seed, runs, only, faults, workers: count } = this.#options;
    const task: WorkerTask = {
      seed,
      index,
      count,
      ...(runs !== undefined && { runs }),
      ...(only !== undefined && { only }),
      ...(faults !== undefined && { faults }),
    };
    const child = fork(bundle, [JSON.stringify(task)], {
      // Less garbage collection: a schedule's objects are all dead soon.
      execArgv: ['--max-semi-space-size=32'],
    });
    this.#children.add(child);
    let isDone = false;
    child.on('message', (report: WorkerReport) => {
      isDone = report.isDone;
      this.#add(report);
    });
    await once(child, 'exit');
    this.#children.delete(child);
    if (!isDone && !this.#isOver) throw new Error('a worker of the simulation has died');
  }

  #add(report: WorkerReport): void {
    const sums = this.#sums;
    this.#sums = {
      runs: sums.runs + report.runs,
      events: sums.events + report.events,
      acknowledged: sums.acknowledged + report.acknowledged,
      failed: sums.failed + report.failed,
      faults: sums.faults + report.faults,
      cpuMs: sums.cpuMs + report.cpuMs,
      crashPoints: report.crashPoints,
      violations: [...sums.violations, ...report.violations],
    };
    this.#options.onProgress?.(this.#figures);
    if (this.#sums.violations.length >= this.#options.maxViolations) this.#end();
  }

  #end(): void {
    this.#isOver = true;
    for (const child of this.#children) child.kill();
  }

  get #figures(): Figures {
    return { ...this.#sums, elapsedMs: performance.now() - this.#startedMs };
  }
}

const none: Omit<WorkerReport, 'isDone'> = {
  runs: 0,
  events: 0,
  acknowledged: 0,
  failed: 0,
  faults: 0,
  cpuMs: 0,
  crashPoints: 0,
  violations: [],
};
