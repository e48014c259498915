import { afterEach, describe, expect, test } from '@jest/globals';
import { CliRunner } from '../../test/support/cli-runner.ts';
import { implement } from '../../test/support/rpc-server.ts';
import { AdminService } from '../gen/gitaly_operator/v1/admin_pb.ts';

const cli = new CliRunner();
afterEach(() => cli.stop());

const fetches = { class: 'fetch', count: 2n, oldestMs: 61_000n, oldestRepository: 'group/a.git' };

/** Proxies that say of gitaly-0 what comes next in `states`, the last one again and again. */
function adminOf(states: readonly ('unaware' | 'busy' | 'drained')[]) {
  const requests: unknown[] = [];
  let looks = 0;
  const requesters: { requester: string; reason: string }[] = [];
  const stateOf = () => states[Math.min(looks++, states.length - 1)];
  const admin = implement(AdminService, {
    getStatus() {
      const state = stateOf();
      const drain = {
        requesters,
        unaware: state === 'unaware' ? ['proxy-1'] : [],
        calls: state === 'busy' ? [fetches] : [],
        drained: state === 'drained',
      };
      const storage = { name: 'gitaly-0', healthy: true, ...(requesters.length > 0 && { drain }) };
      return Promise.resolve({ virtualStorages: [{ name: 'default', storages: [storage] }] });
    },
    requestDrain(request) {
      requests.push(request);
      requesters.push({ requester: request.requester, reason: request.reason });
      return Promise.resolve({});
    },
    cancelDrain({ requester }) {
      const index = requesters.findIndex((it) => it.requester === requester);
      if (index >= 0) requesters.splice(index, 1);
      return Promise.resolve({});
    },
  });
  return { admin, requests, requesters };
}

describe('storage drain', () => {
  test('asks for it, and says where to look', async () => {
    const { admin, requests } = adminOf(['busy']);
    const command = 'storage drain default/gitaly-0 --reason disk';
    const { exitCode, out } = await cli.run(command, admin);
    expect(exitCode).toBe(0);
    expect(out).toContain('gitaly-0 is drained from now on; "status" shows how far it is');
    expect(requests).toMatchObject([
      { virtualStorage: 'default', storage: 'gitaly-0', requester: 'gitaly-ha', reason: 'disk' },
    ]);
    const { out: status } = await cli.run('status', admin);
    expect(status).toContain('draining: 2 fetch (oldest 61 s: group/a.git) (gitaly-ha: disk)');
  });

  test('waits until it is drained, and tells what it waits for', async () => {
    const { admin } = adminOf(['unaware', 'busy', 'busy', 'drained']);
    const command = 'storage drain default/gitaly-0 --reason disk --wait 60';
    const { exitCode, out } = await cli.run(command, admin);
    expect(exitCode).toBe(0);
    expect(out.trim().split('\n')).toEqual([
      'draining: 1 proxy has not taken note',
      'draining: 2 fetch (oldest 61 s: group/a.git)',
      'gitaly-0 has no clients',
    ]);
  });

  test('gives up waiting, and says what to do then', async () => {
    const { admin } = adminOf(['busy']);
    const command = 'storage drain default/gitaly-0 --reason disk --wait 1';
    const { exitCode, err } = await cli.run(command, admin);
    expect(exitCode).toBe(1);
    expect(err).toContain('gitaly-0 still has clients after 1 s: draining: 2 fetch');
    expect(err).toContain('The drain goes on: wait with the same command, or take it back');
  });

  test('says how long calls may go on', async () => {
    const { admin, requests } = adminOf(['busy']);
    const graces = '--grace fetch=600 --grace push=60';
    await cli.run(`storage drain default/gitaly-0 --reason disk ${graces}`, admin);
    expect(requests).toMatchObject([
      {
        graces: [
          { class: 'fetch', ms: 600_000n },
          { class: 'push', ms: 60_000n },
        ],
      },
    ]);
    const wrong = await cli.run('storage drain default/gitaly-0 --reason x --grace fetch', admin);
    expect(wrong.err).toContain('write a class of calls and seconds, like fetch=600');
    expect(requests).toHaveLength(1);
  });

  test('needs a reason', async () => {
    const { exitCode, err } = await cli.run('storage drain default/gitaly-0', adminOf([]).admin);
    expect(exitCode).not.toBe(0);
    expect(err).toContain('--reason');
  });
});

describe('storage undrain', () => {
  test('takes the own request back, and tells who else wants it drained', async () => {
    const { admin, requesters } = adminOf(['drained']);
    requesters.push({ requester: 'operator', reason: 'a new image' });
    await cli.run('storage drain default/gitaly-0 --reason disk', admin);
    const first = await cli.run('storage undrain default/gitaly-0', admin);
    expect(first.out).toContain('gitaly-0 is still drained for operator');
    const second = await cli.run('storage undrain default/gitaly-0 --requester operator', admin);
    expect(second.out).toContain('gitaly-0 is used again');
  });
});
