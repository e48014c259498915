import { expect, jest, test } from '@jest/globals';
import { runChaos } from '../chaos/chaos.ts';
import { openCluster } from '../testbed/cluster.ts';
import { lineProgress } from '../testbed/progress.ts';
import { hangLimitMs } from './hang-limit.ts';

jest.setTimeout(hangLimitMs);

test('a cluster loses nothing that was acknowledged, and takes writes again by itself, whatever strikes', async () => {
  const progress = lineProgress((line) => process.stderr.write(line));
  const cluster = await openCluster(progress);
  const { nodes } = cluster;
  // Faults need nodes that are ours to break.
  if (nodes === undefined) return;
  const report = await runChaos({
    cluster: { ...cluster, nodes },
    namespace: 'gitaly-chaos',
    progress,
    seed: 20_261_121,
    repositories: 10,
    faults: 15,
  });
  // With stale reads, if there are any: test/chaos/README.md says when there may be.
  process.stderr.write(`${JSON.stringify(report)}\n`);
  expect(report.violations).toEqual([]);
  expect(report.faults).toBeGreaterThanOrEqual(15);
  expect(report.acknowledged).toBeGreaterThan(report.repositories);
});
