import { afterEach, describe, expect, test } from '@jest/globals';
import { CliRunner } from '../../test/support/cli-runner.ts';
import { implement } from '../../test/support/rpc-server.ts';
import { AdminService, type AcceptVolumeRequest } from '../gen/gitaly_operator/v1/admin_pb.ts';

const cli = new CliRunner();
afterEach(() => cli.stop());

function adminOf(accepted: AcceptVolumeRequest[] = [], kept = 2n) {
  return implement(AdminService, {
    getStatus: () =>
      Promise.resolve({
        virtualStorages: [
          {
            name: 'default',
            storages: [
              { name: 'gitaly-0', healthy: true },
              { name: 'gitaly-1', healthReason: 'it has another volume than before' },
            ],
          },
        ],
      }),
    acceptVolume(request) {
      accepted.push(request);
      return Promise.resolve({ kept });
    },
  });
}

describe('storage accept-volume', () => {
  test('says what would happen, and does it only with --yes', async () => {
    const accepted: AcceptVolumeRequest[] = [];
    const asked = await cli.run('storage accept-volume default/gitaly-1', adminOf(accepted));
    expect(asked).toMatchObject({ exitCode: 1, out: '' });
    expect(asked.err).toContain('gitaly-1 is not used: it has another volume than before.');
    expect(asked.err).toContain('Repeat the command with --yes');
    expect(accepted).toEqual([]);

    const done = await cli.run('storage accept-volume default/gitaly-1 --yes', adminOf(accepted));
    expect(done).toMatchObject({ exitCode: 0, err: '' });
    expect(done.out).toContain('taken as it is for 2 repositories');
    expect(accepted).toMatchObject([{ virtualStorage: 'default', storage: 'gitaly-1' }]);
    const none = await cli.run('storage accept-volume default/gitaly-1 --yes', adminOf([], 0n));
    expect(none.out).toContain('everything there is copied anew');
  });

  test.each([
    ['default/gitaly-0', 'gitaly-0 is healthy: there is nothing to accept'],
    ['default/gitaly-9', 'there is no storage gitaly-9 in default'],
    ['default', '"default" names no storage'],
    ['default/a/b', '"default/a/b" names no storage'],
  ])('of %s tells what is wrong', async (name, message) => {
    const { exitCode, err } = await cli.run(`storage accept-volume ${name}`, adminOf());
    expect(exitCode).toBe(1);
    expect(err).toContain(message);
  });
});

describe('storage orphans', () => {
  const orphans = [
    { path: '@cluster/repositories/aa/bb/1', modifiedAtMs: 1_577_836_800_000n },
    { path: '@cluster/pools/aa/bb/2', keptBecause: 'others may borrow from an object pool' },
  ];
  const admin = implement(AdminService, {
    async *findOrphans({ storage, remove }) {
      if (storage !== 'gitaly-1') return;
      for (const orphan of orphans) {
        yield { ...orphan, removed: remove && orphan.keptBecause === undefined };
      }
    },
  });

  test('lists them, and says what can be done', async () => {
    const { out, exitCode } = await cli.run('storage orphans default/gitaly-1', admin);
    expect(exitCode).toBe(0);
    expect(out).toContain(
      '@cluster/repositories/aa/bb/1  2020-01-01T00:00:00.000Z  can be removed',
    );
    expect(out).toContain('stays: others may borrow from an object pool');
    expect(out).toContain('1 orphan can be removed for good: repeat the command with --remove');
  });

  test('removes them with --remove', async () => {
    const { out } = await cli.run('storage orphans default/gitaly-1 --remove', admin);
    expect(out).toMatch(/bb\/1 .* removed\n/);
    expect(out).not.toContain('--remove');
  });

  test('prints a line of JSON for each', async () => {
    const { out } = await cli.run('storage orphans default/gitaly-1 --json', admin);
    const lines = out.trim().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as { path: string }).path)).toEqual(
      orphans.map(({ path }) => path),
    );
  });

  test('says so if there is none', async () => {
    const { out } = await cli.run('storage orphans default/gitaly-0', admin);
    expect(out).toBe('Everything on gitaly-0 belongs to a repository.\n');
  });
});
