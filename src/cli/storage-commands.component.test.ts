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
