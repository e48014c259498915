import { afterEach, describe, expect, test } from '@jest/globals';
import { CliRunner } from '../../test/support/cli-runner.ts';
import { implement } from '../../test/support/rpc-server.ts';
import { AdminService, type PlanRebalanceRequest } from '../gen/gitaly_operator/v1/admin_pb.ts';
import { RpcError } from '../rpc/rpc-error.ts';
import { statusCodes } from '../rpc/status.ts';

const cli = new CliRunner();
afterEach(() => cli.stop());

const before = [
  {
    name: 'gitaly-0',
    replicasBefore: 4n,
    replicasAfter: 2n,
    usedBytesBefore: 2n ** 32n,
    usedBytesAfter: 2n ** 31n,
  },
  { name: 'gitaly-1', replicasBefore: 0n, replicasAfter: 2n },
];

/**
 * Proxies that plan to move repositories from the first storage to the second as long as they are on the first.
 *
 * @param refused repositories that are not moved after all
 */
function proxies(paths: readonly string[], refused: readonly string[] = []) {
  const places = new Map(paths.map((path) => [path, 'gitaly-0']));
  const plans: PlanRebalanceRequest[] = [];
  const asked: string[] = [];
  let isAway = true;
  const admin = implement(AdminService, {
    async *planRebalance(request) {
      plans.push(request);
      const there = [...places].filter(([, storage]) => storage === 'gitaly-0');
      const most = request.maxMoves === 0 ? there.length : request.maxMoves;
      const moves = there
        .slice(0, most)
        .map(([relativePath]) => ({ relativePath, from: 'gitaly-0', to: 'gitaly-1' }));
      yield { moves: moves.slice(0, 1) };
      yield { moves: moves.slice(1), storages: before };
    },
    moveReplica({ relativePath, to }) {
      asked.push(relativePath);
      if (refused.includes(relativePath)) {
        throw new RpcError(statusCodes.FAILED_PRECONDITION, 'storage gitaly-1 is being drained');
      }
      // A proxy that is just being replaced.
      isAway = !isAway;
      if (!isAway) throw new RpcError(statusCodes.UNAVAILABLE, 'it stops');
      places.set(relativePath, to);
      return Promise.resolve({});
    },
    async *listRepositories({ relativePath }) {
      yield {
        relativePath,
        replicas: [{ storage: places.get(relativePath) ?? '', role: 'voter' }],
      };
    },
  });
  return { admin, plans, asked };
}

describe('storage rebalance', () => {
  test('--dry-run shows the plan, and moves nothing', async () => {
    const { admin, plans, asked } = proxies(['a.git', 'b.git']);
    const { exitCode, out } = await cli.run('storage rebalance default --dry-run', admin);
    expect(out).toBe(
      [
        'STORAGE   REPLICAS  AFTER     USED  AFTER, ABOUT',
        'gitaly-0         4      2  4.0 GiB       2.0 GiB',
        'gitaly-1         0      2  unknown       unknown',
        '',
        '2 replicas are to be moved.',
        '',
      ].join('\n'),
    );
    expect({ exitCode, asked }).toEqual({ exitCode: 0, asked: [] });
    expect(plans).toMatchObject([{ virtualStorage: 'default', maxMoves: 0, tolerancePercent: 5 }]);
  });

  test('moves one after the other, and looks whether that was all', async () => {
    const { admin, plans } = proxies(['a.git', 'b.git']);
    const { exitCode, out } = await cli.run('storage rebalance default --tolerance 0', admin);
    expect(exitCode).toBe(0);
    expect(out.split('\n').slice(-4)).toEqual([
      '1 of 2: default/a.git from gitaly-0 to gitaly-1',
      '2 of 2: default/b.git from gitaly-0 to gitaly-1',
      '2 replicas moved.',
      '',
    ]);
    expect(plans.map(({ tolerancePercent }) => tolerancePercent)).toEqual([0, 0]);
  });

  test('stops after as many as were asked for', async () => {
    const { admin, plans } = proxies(['a.git', 'b.git', 'c.git']);
    const { exitCode, out } = await cli.run('storage rebalance default --max-moves 2', admin);
    expect({ exitCode, plans }).toMatchObject({ exitCode: 0, plans: [{ maxMoves: 2 }] });
    expect(out).toContain('2 replicas moved.');
  });

  test('tells what could not be moved, and fails', async () => {
    const { admin, asked } = proxies(['a.git', 'b.git'], ['a.git']);
    const { exitCode, out, err } = await cli.run('storage rebalance default', admin);
    expect(out).toContain(
      '1 of 2: default/a.git from gitaly-0 to gitaly-1 was not begun: storage gitaly-1 is being drained',
    );
    expect({ exitCode, err }).toEqual({
      exitCode: 1,
      err: 'gitaly-ha: 1 replica was not moved: the same command plans anew\n',
    });
    expect(asked.filter((path) => path === 'a.git')).toHaveLength(2);
  });

  test('--json tells it to programs', async () => {
    const { admin } = proxies(['a.git']);
    const { out } = await cli.run('storage rebalance default --json', admin);
    const lines = out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown);
    const move = {
      virtualStorage: 'default',
      relativePath: 'a.git',
      from: 'gitaly-0',
      to: 'gitaly-1',
    };
    expect(lines).toMatchObject([
      { planned: 1, storages: [{ name: 'gitaly-0', replicasAfter: '2' }, { name: 'gitaly-1' }] },
      { ...move, outcome: 'moved' },
      { moved: 1, notMoved: 0 },
    ]);
  });

  test.each(['--per-storage 0', '--max-moves none', '--tolerance 101'])(
    'refuses %s',
    async (flags) => {
      const { admin, plans } = proxies([]);
      const { exitCode } = await cli.run(`storage rebalance default ${flags}`, admin);
      expect({ exitCode, plans }).toEqual({ exitCode: 1, plans: [] });
    },
  );
});
