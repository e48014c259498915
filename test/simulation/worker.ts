/**
 * Plays the schedules of one worker process: each `count`-th of a plan, from `index` on. Sends
 * {@link WorkerReport}s to its parent.
 */
import { formatSchedule, Plan, play } from './schedule.ts';

/** What a worker is to do. */
export interface WorkerTask {
  readonly seed: number;
  readonly index: number;
  readonly count: number;
  /** It ends before the schedule of that number. Default: never. */
  readonly runs?: number;
  readonly only?: readonly string[];
  readonly faults?: readonly string[];
}

/** What has happened since the last report. */
export interface WorkerReport {
  readonly runs: number;
  readonly events: number;
  readonly acknowledged: number;
  readonly failed: number;
  readonly faults: number;
  /** CPU time of this process. */
  readonly cpuMs: number;
  /** Crash points of the whole plan. */
  readonly crashPoints: number;
  readonly violations: readonly { readonly schedule: string; readonly message: string }[];
  readonly isDone: boolean;
}

const reportMs = 500;

async function work({
  seed,
  index,
  count,
  runs = Infinity,
  only,
  faults,
}: WorkerTask): Promise<void> {
  const plan = await Plan.make(seed, only, faults);
  let sums = nothing;
  let violations: WorkerReport['violations'][number][] = [];
  let cpu = process.cpuUsage();
  const report = (isDone: boolean) => {
    const { user, system } = process.cpuUsage(cpu);
    cpu = process.cpuUsage();
    const { crashPoints } = plan;
    const message: WorkerReport = {
      ...sums,
      cpuMs: (user + system) / 1000,
      crashPoints,
      violations,
      isDone,
    };
    process.send?.(message);
    sums = nothing;
    violations = [];
  };
  let lastReportMs = performance.now();
  for (let number = index; number < runs; number += count) {
    const schedule = plan.schedule(number);
    try {
      const result = await play(schedule);
      sums = {
        runs: sums.runs + 1,
        events: sums.events + result.events,
        acknowledged: sums.acknowledged + result.acknowledged,
        failed: sums.failed + result.failed,
        faults: sums.faults + result.faults,
      };
    } catch (error) {
      sums = { ...sums, runs: sums.runs + 1 };
      violations.push({ schedule: formatSchedule(schedule), message: String(error) });
    }
    if (performance.now() - lastReportMs < reportMs && violations.length === 0) continue;
    lastReportMs = performance.now();
    report(false);
    // Lets messages out, which the simulated time does not.
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
  report(true);
}

// Where an error was made nobody asks: a schedule that fails is replayed.
Error.stackTraceLimit = 0;

const nothing = { runs: 0, events: 0, acknowledged: 0, failed: 0, faults: 0 };

await work(JSON.parse(process.argv[2] ?? '{}') as WorkerTask);
process.disconnect?.();
