import { formatTable } from '../../../src/cli/table.ts';
import type { Progress } from '../../testbed/progress.ts';
import { measureLoad } from './benchmark.ts';
import { median } from './comparison.ts';
import { LoadClient } from './load-client.ts';
import { Peers, type Target } from './peers.ts';
import type { Extent } from './workloads.ts';

const repositoryCounts = [1, 100, 10_000, 100_000];
const connectionCounts = [1, 10, 100, 1000];
/** As many as the connections of the first curve, so that each waits for its own answer. */
const concurrency = 8;

interface Point {
  readonly repositories: number;
  readonly connections: number;
  /** Calls at a time. */
  readonly concurrency: number;
  readonly target: Target;
}

/**
 * What a read costs with more and more repositories, then with more and more connections: one line of
 * JSON `[{repositories, connections, cpuRatio}]` at the end, where the ratio is to each curve's start.
 */
export async function measureCurve({ rounds, ms }: Extent, progress: Progress): Promise<void> {
  const peers = await progress.during('starting', () => Peers.start());
  const load = await LoadClient.start();
  try {
    const byRepositories: Point[] = [];
    for (const repositories of repositoryCounts) {
      const target = await peers.startMemoryProxy(repositories);
      byRepositories.push({ repositories, connections: concurrency, concurrency, target });
    }
    const target = await peers.startMemoryProxy(1);
    const byConnections = connectionCounts.map((connections) => ({
      repositories: 1,
      connections,
      // One at a time: more would share a connection where there are few of them, which is cheaper.
      concurrency: 1,
      target,
    }));
    const results = [];
    for (const curve of [byRepositories, byConnections]) {
      results.push(...(await costs(curve, load, { rounds, ms }, progress)));
    }
    const columns = ['REPOSITORIES', 'CONNECTIONS', 'CPU US/CALL', 'TO THE FIRST'];
    const rows = results.map(({ repositories, connections, cpuUs, cpuRatio }) =>
      [repositories, connections, cpuUs.toFixed(0), cpuRatio.toFixed(2)].map(String),
    );
    const heading = columns.map((text) => ({ heading: text, align: 'right' as const }));
    process.stdout.write(`${formatTable(heading, rows)}\n${JSON.stringify(results)}\n`);
  } finally {
    await load.stop();
    await peers.stop();
  }
}

/** The points in turns, after each has served every repository once on every connection. */
async function costs(
  points: readonly Point[],
  load: LoadClient,
  { rounds, ms }: Pick<Extent, 'rounds' | 'ms'>,
  progress: Progress,
) {
  const commandOf = ({ repositories, connections, concurrency: atOnce }: Point) =>
    ({ work: 'read', concurrency: atOnce, connections, repositories, streamBytes: 0, ms }) as const;
  const cpuUs = new Map<Point, number[]>(points.map((point) => [point, []]));
  for (const point of points) {
    const minCalls = Math.max(point.repositories, 2 * point.connections, 3000);
    await measureLoad(load, point.target, { ...commandOf(point), minCalls, ms: 0 });
  }
  for (let number = 1; number <= rounds; number++) {
    await progress.during(`round ${number} of ${rounds}`, async () => {
      for (const [point, figures] of cpuUs) {
        const { units, cpuMs } = await measureLoad(load, point.target, commandOf(point));
        figures.push((1000 * cpuMs) / units);
      }
    });
  }
  const medians = points.map((point) => median(cpuUs.get(point) ?? []));
  return points.map(({ repositories, connections }, index) => ({
    repositories,
    connections,
    cpuUs: medians[index] ?? 0,
    cpuRatio: (medians[index] ?? 0) / (medians[0] ?? 0),
  }));
}
