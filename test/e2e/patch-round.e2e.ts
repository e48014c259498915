import { describe, expect, test } from '@jest/globals';
import { lastLines, tryRun } from '../testbed/run.ts';

/** Beside its own minute or two: a machine that has not done it before builds kwok. */
const limitMs = 900_000;

/** It has a control plane of its own, which takes a machine that could carry the testbed. */
const where = process.env['KUBECONFIG'] ? describe.skip : describe;

where('a small patch round', () => {
  test.each([
    ['for a new image', []],
    ['by a maintenance of the nodes', ['--nodes']],
  ])(
    '%s comes to its end, with two replicas of each repository in sync all the time',
    async (_why, work) => {
      const size = ['--storages', '6', '--repositories', '1000', '--group-size', '2'];
      const round = ['--import', 'tsx', 'test/patch-round/main.ts', ...work, ...size];
      // It also fails if it takes too long for what it promises, which is not for a busy machine to say.
      const { stdout, stderr } = await tryRun(process.execPath, [...round, '--speed', '20'], {
        limitMs,
      });
      const last = lastLines(stdout, 1);
      expect({ last, stderr }).toMatchObject({ last: expect.stringMatching(/^\{.*\}$/) });
      expect(JSON.parse(last)).toEqual({
        storages: 6,
        repositories: 1000,
        virtualMinutes: expect.any(Number),
        minInSyncReplicas: 2,
        planSeconds: expect.any(Number),
        operatorRssMb: expect.any(Number),
      });
    },
    limitMs,
  );
});
