import { expect, jest, test } from '@jest/globals';
import { playDemo } from '../demo/play-demo.ts';
import { openCluster } from '../testbed/cluster.ts';
import { lineProgress } from '../testbed/progress.ts';
import { hangLimitMs } from './hang-limit.ts';

jest.setTimeout(hangLimitMs);

test('repositories survive the loss of their primary under a stream of pushes', async () => {
  const progress = lineProgress((line) => process.stderr.write(line));
  const cluster = await openCluster(progress);
  const summary = await playDemo(cluster, progress);
  expect(summary.commitsPushed).toBeGreaterThan(0);
  expect(summary.cloneIsEqual).toBe(true);
  expect(summary.tookOver).not.toBe(summary.primaryBefore);
  expect(summary.pushesAcknowledged).toBeGreaterThan(10);
  expect(summary.replicasInSync).toHaveLength(3);
  expect(summary.replicasEqual).toBe(true);
  expect(summary.acknowledgedPushesLost).toBe(0);
});
