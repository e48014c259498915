import { availableParallelism } from 'node:os';
import { formatTable } from '../../../src/cli/table.ts';
import type { Progress } from '../../testbed/progress.ts';
import { median } from './comparison.ts';
import { holdToShare, releaseShare } from './cpu-share.ts';
import { LoadClient, type LoadResult } from './load-client.ts';
import { credentials, Peers, type Target } from './peers.ts';
import { childrenOf, cpuMsOf, residentMiBOf } from '../../support/process-usage.ts';
import { commandOf, repositories, workloads, type Extent, type Workload } from './workloads.ts';

/** What was measured of a proxy in one round. */
interface Figures {
  /** Calls or bytes a second. */
  readonly throughput: number;
  /** CPU of all its processes, in ms for a call or a byte. */
  readonly cpuMs: number;
  /** How many cores they kept busy. */
  readonly cores: number;
  /** The CPU of the busiest worker as a share of that of all processes. */
  readonly busiest: number;
}

export interface WorkerGainOptions {
  /** Works whose name contains it. */
  readonly only: string;
  readonly extent: Extent;
  /** Each process that serves is held to that share of a core. Default: not at all. */
  readonly share: number | undefined;
}

/**
 * The same load to a proxy with one worker and to one with two, in turns. What the second one brings can
 * only be seen where storages and load leave it a core: the table says how many cores the proxy had. On a
 * small machine a share of a core can stand for a core. Each worker has a store of its own memory. The last
 * line is JSON.
 */
export async function measureWorkers(
  { only, extent, share }: WorkerGainOptions,
  progress: Progress,
): Promise<void> {
  const held: number[] = [];
  const peers = await progress.during('starting', () => Peers.start());
  const load = await LoadClient.start();
  try {
    const targets = [
      await peers.startMemoryProxy(repositories),
      await peers.startMemoryProxy(repositories, 2),
    ] as const;
    for (const { pid } of share === undefined ? [] : targets) {
      const workers = await childrenOf(pid);
      for (const worker of workers.length === 0 ? [pid] : workers) {
        await holdToShare(worker, share ?? 1);
        held.push(worker);
      }
    }
    // With one call at a time there is nothing to share out.
    const chosen = workloads.filter(
      ({ name, concurrency, store = 'memory', bulk }) =>
        name.includes(only) && concurrency > 1 && store === 'memory' && bulk === undefined,
    );
    const results = [];
    for (const workload of chosen) {
      const what = `${workload.name}, ${workload.concurrency} at once`;
      results.push(
        await progress.during(what, () => compareWorkers(load, targets, workload, extent)),
      );
    }
    const memory = await Promise.all(targets.map(memoryMiBOf));
    print(results, memory);
    process.stdout.write(`${JSON.stringify(results)}\n`);
  } finally {
    await load.stop();
    await peers.stop();
    for (const pid of held) await releaseShare(pid);
  }
}

async function compareWorkers(
  load: LoadClient,
  [one, two]: readonly [Target, Target],
  workload: Workload,
  extent: Extent,
) {
  const command = { ...credentials, ...commandOf(workload, extent) };
  const rounds: { readonly one: Figures; readonly two: Figures }[] = [];
  for (let number = 0; number <= extent.rounds; number++) {
    const round = {
      one: await measure(load, one, command),
      two: await measure(load, two, command),
    };
    // The first one warms up.
    if (number > 0) rounds.push(round);
  }
  const middle = (figure: (round: { readonly one: Figures; readonly two: Figures }) => number) =>
    median(rounds.map(figure));
  return {
    work: workload.name,
    concurrency: workload.concurrency,
    throughputRatio: middle((round) => round.two.throughput / round.one.throughput),
    cpuRatio: middle((round) => round.two.cpuMs / round.one.cpuMs),
    coresOfOne: middle((round) => round.one.cores),
    coresOfTwo: middle((round) => round.two.cores),
    busiestOfTwo: middle((round) => round.two.busiest),
  };
}

async function measure(
  load: LoadClient,
  { address, pid }: Target,
  command: Omit<Parameters<LoadClient['run']>[0], 'target'>,
): Promise<Figures> {
  const before = await cpuByProcess(pid);
  const { calls, bytes, ms }: LoadResult = await load.run({ ...command, target: address });
  const used = [...(await cpuByProcess(pid))].map(([id, cpuMs]) => cpuMs - (before.get(id) ?? 0));
  const cpuMs = used.reduce((sum, own) => sum + own, 0);
  const units = bytes > 0 ? bytes : calls;
  return {
    throughput: (1000 * units) / ms,
    cpuMs: cpuMs / units,
    cores: cpuMs / ms,
    busiest: Math.max(...used) / cpuMs,
  };
}

/** Of a proxy and its workers. */
async function cpuByProcess(pid: number): Promise<ReadonlyMap<number, number>> {
  const pids = [pid, ...(await childrenOf(pid))];
  return new Map(await Promise.all(pids.map(async (id) => [id, await cpuMsOf(id)] as const)));
}

async function memoryMiBOf({ pid }: Target): Promise<readonly number[]> {
  const pids = [pid, ...(await childrenOf(pid))];
  return Promise.all(pids.map(residentMiBOf));
}

function print(
  results: readonly Awaited<ReturnType<typeof compareWorkers>>[],
  memory: readonly (readonly number[])[],
): void {
  const rows = results.map((result) => [
    result.work,
    String(result.concurrency),
    result.throughputRatio.toFixed(2),
    result.cpuRatio.toFixed(2),
    result.coresOfOne.toFixed(2),
    result.coresOfTwo.toFixed(2),
    result.busiestOfTwo.toFixed(2),
  ]);
  const right = { align: 'right' } as const;
  const columns = [
    { heading: 'WORK' },
    { heading: 'AT ONCE', ...right },
    { heading: 'THROUGHPUT', ...right },
    { heading: 'CPU', ...right },
    { heading: 'CORES OF ONE', ...right },
    { heading: 'CORES OF TWO', ...right },
    { heading: 'BUSIEST OF TWO', ...right },
  ];
  const [one = [], [supervisor = 0, ...workers] = []] = memory.map((parts) =>
    parts.map((mib) => Math.round(mib)),
  );
  process.stdout.write(
    `two workers as multiples of one, on a machine with ${availableParallelism()} cores for all\n\n` +
      `${formatTable(columns, rows)}\n\n` +
      `memory in MiB after that: one ${one.join()}; ` +
      `two ${workers.join(' and ')}, and their supervisor ${supervisor}\n`,
  );
}
