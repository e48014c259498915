import { afterEach, describe, expect, test } from '@jest/globals';
import { CliRunner } from '../../test/support/cli-runner.ts';
import { implement } from '../../test/support/rpc-server.ts';
import { AdminService } from '../gen/gitaly_operator/v1/admin_pb.ts';

const cli = new CliRunner();
afterEach(() => cli.stop());

function adminOf() {
  const requests: unknown[] = [];
  const admin = implement(AdminService, {
    setStorageWeight({ virtualStorage, storage, weight }) {
      requests.push({ virtualStorage, storage, weight });
      return Promise.resolve({});
    },
    setStorageZone({ virtualStorage, storage, zone }) {
      requests.push({ virtualStorage, storage, zone });
      return Promise.resolve({});
    },
    getStatus: () =>
      Promise.resolve({
        virtualStorages: [
          {
            name: 'default',
            storages: [
              {
                name: 'gitaly-0',
                zone: 'europe-west1-b',
                configuredWeight: 80,
                full: true,
                freeBytes: 2n ** 30n,
                totalBytes: 2n ** 35n,
              },
            ],
          },
        ],
      }),
  });
  return { admin, requests };
}

describe('storage weight', () => {
  test.each([
    ['auto', undefined, 'new repositories go to gitaly-0 by its free space'],
    ['50', 50, 'new repositories go to gitaly-0 with the weight 50'],
    ['0', 0, 'new repositories go to gitaly-0 only if there are not enough others'],
  ])('%s sets it, and says what that means', async (text, weight, said) => {
    const { admin, requests } = adminOf();
    const { exitCode, out } = await cli.run(`storage weight default/gitaly-0 ${text}`, admin);
    expect({ exitCode, requests }).toEqual({
      exitCode: 0,
      requests: [{ virtualStorage: 'default', storage: 'gitaly-0', weight }],
    });
    expect(out).toContain(said);
  });

  test.each([
    ['default/gitaly-0 half', '"half" is no weight: write auto, or a number from 0 on'],
    ['default/gitaly-0 1.5', '"1.5" is no weight'],
    ['gitaly-0 1', '"gitaly-0" names no storage'],
  ])('of %s tells what is wrong', async (text, message) => {
    const { admin, requests } = adminOf();
    const { exitCode, err } = await cli.run(`storage weight ${text}`, admin);
    expect({ exitCode, requests }).toEqual({ exitCode: 1, requests: [] });
    expect(err).toContain(message);
  });

  test('is shown by status, to programs too', async () => {
    const { admin } = adminOf();
    expect((await cli.run('status', admin)).out).toMatch(
      /REASON  ZONE\n.* 0 \(full, by hand\)  1\.0 GiB \(3 %\) +europe-west1-b\n/,
    );
    const { out } = await cli.run('status --json', admin);
    expect(JSON.parse(out)).toMatchObject({
      virtualStorages: [{ storages: [{ configuredWeight: 80, weight: 0, full: true }] }],
    });
  });
});

describe('storage zone', () => {
  test.each([
    ['europe-west1-b', 'gitaly-0 is in zone europe-west1-b'],
    ['', 'gitaly-0 is in no zone that is known'],
  ])('%j is said of it', async (zone, said) => {
    const { admin, requests } = adminOf();
    const { exitCode, out } = await cli.run(`storage zone default/gitaly-0 ${zone}`, admin);
    expect({ exitCode, requests }).toEqual({
      exitCode: 0,
      requests: [{ virtualStorage: 'default', storage: 'gitaly-0', zone }],
    });
    expect(out).toContain(said);
  });
});
