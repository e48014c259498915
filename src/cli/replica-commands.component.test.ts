import { afterEach, describe, expect, test } from '@jest/globals';
import { implement } from '../../test/support/rpc-server.ts';
import { CliRunner } from '../../test/support/cli-runner.ts';
import {
  PraefectInfoService,
  type SetAuthoritativeStorageRequest,
  type SetReplicationFactorRequest,
} from '../gen/gitaly/praefect_pb.ts';
import { AdminService, type MoveReplicaRequest } from '../gen/gitaly_operator/v1/admin_pb.ts';

const cli = new CliRunner();
afterEach(() => cli.stop());

const admin = implement(AdminService, {
  getStatus: () => Promise.resolve({ virtualStorages: [{ name: 'default' }, { name: 'second' }] }),
});

/** `default` has a repository that is lost, and one that lacks a replica; `second` has none. */
function lossesOf(accepted: SetAuthoritativeStorageRequest[] = [], replicaGeneration = 9n) {
  return implement(PraefectInfoService, {
    async *dataloss({ virtualStorage, includePartiallyReplicated }) {
      if (virtualStorage !== 'default') return;
      const lost = {
        relativePath: 'group/a.git',
        primary: 'gitaly-0',
        unavailable: true,
        storages: [
          { name: 'gitaly-0', assigned: true },
          { name: 'gitaly-1', assigned: true, healthy: true, behindBy: 3n },
        ],
      };
      yield { repositories: [lost] };
      const degraded = {
        relativePath: 'group/b.git',
        primary: 'gitaly-1',
        storages: [{ name: 'gitaly-1', assigned: true, healthy: true, validPrimary: true }],
      };
      if (includePartiallyReplicated) yield { repositories: [degraded] };
    },
    getRepositoryMetadata: () =>
      Promise.resolve({
        generation: 12n,
        replicas: [
          { storage: 'gitaly-0', generation: 12n },
          { storage: 'gitaly-1', generation: replicaGeneration },
        ],
      }),
    setAuthoritativeStorage(request) {
      accepted.push(request);
      return Promise.resolve({});
    },
    repositoryReplicas: ({ repository }) =>
      Promise.resolve({
        primary: { repository: { storageName: 'gitaly-0' }, checksum: '00ff' },
        replicas: [
          {
            repository: { storageName: 'gitaly-1' },
            checksum: repository?.relativePath === 'group/a.git' ? '00ff' : '11ee',
          },
        ],
      }),
  });
}

describe('repository dataloss', () => {
  test('shows what cannot be read, and what is left of it', async () => {
    expect(await cli.run('repository dataloss', admin, lossesOf())).toEqual({
      exitCode: 0,
      err: '',
      out: [
        'REPOSITORY           AVAILABLE  STORAGE             HEALTH     BEHIND BY',
        'default/group/a.git  no         gitaly-0 (primary)  unhealthy          0',
        '                                gitaly-1            healthy            3',
        '',
      ].join('\n'),
    });
  });

  test('shows also what lacks a replica, if asked', async () => {
    const line = 'repository dataloss --virtual-storage default --partially-replicated';
    const { out } = await cli.run(line, lossesOf());
    expect(out).toMatch(/^default\/group\/b\.git +yes +gitaly-1 \(primary\) +healthy +0$/m);
  });

  test('prints an object a line for programs', async () => {
    const { out } = await cli.run('--json repository dataloss', admin, lossesOf());
    const [line = '', ...rest] = out.split('\n');
    expect(JSON.parse(line)).toMatchObject({
      virtualStorage: 'default',
      relativePath: 'group/a.git',
      unavailable: true,
      storages: [{ behindBy: '0' }, { behindBy: '3' }],
    });
    expect(rest).toEqual(['']);
  });

  test('says so when there is nothing', async () => {
    const line = 'repository dataloss --virtual-storage second';
    expect((await cli.run(line, lossesOf())).out).toBe('No repository is concerned.\n');
  });
});

describe('repository accept-dataloss', () => {
  const line = 'repository accept-dataloss default/group/a.git --storage';

  test('tells what would be lost, and does nothing without --yes', async () => {
    const accepted: SetAuthoritativeStorageRequest[] = [];
    expect(await cli.run(`${line} gitaly-1`, lossesOf(accepted))).toEqual({
      exitCode: 1,
      out: '',
      err:
        'gitaly-ha: the last 3 writes to default/group/a.git, which gitaly-1 lacks, would be lost for good. ' +
        'Repeat the command with --yes\n',
    });
    expect((await cli.run(`${line} gitaly-0`, lossesOf(accepted))).err).toContain(
      'gitaly-0 is in sync: nothing that is known is lost',
    );
    expect((await cli.run(`${line} gitaly-7`, lossesOf(accepted))).err).toContain(
      'gitaly-7 has no replica of default/group/a.git: gitaly-0, gitaly-1 have',
    );
    expect((await cli.run(`${line} gitaly-1`, lossesOf(accepted, -1n))).err).toContain(
      'the replica on gitaly-1 was never complete',
    );
    expect(accepted).toEqual([]);
  });

  test('does it with --yes', async () => {
    const accepted: SetAuthoritativeStorageRequest[] = [];
    const { exitCode, out } = await cli.run(`${line} gitaly-1 --yes`, lossesOf(accepted));
    expect({ exitCode, out }).toEqual({
      exitCode: 0,
      out: 'gitaly-1 is right for default/group/a.git; the other replicas are made like it\n',
    });
    expect(accepted).toMatchObject([
      {
        virtualStorage: 'default',
        relativePath: 'group/a.git',
        authoritativeStorage: 'gitaly-1',
      },
    ]);
  });
});

test('repository replicas tells whether they are equal', async () => {
  const replicas = (name: string) => cli.run(`repository replicas ${name}`, lossesOf());
  expect((await replicas('default/group/a.git')).out).toBe(
    [
      'The replicas are equal.',
      '',
      'STORAGE   ROLE     CHECKSUM',
      'gitaly-0  primary  00ff',
      'gitaly-1  replica  00ff',
      '',
    ].join('\n'),
  );
  expect((await replicas('default/group/b.git')).out).toMatch(/^The replicas differ\./);
});

describe('repository move-replica', () => {
  const line = 'repository move-replica default/group/a.git --from gitaly-0 --to gitaly-3';

  test('asks for it, and tells where to look', async () => {
    const asked: MoveReplicaRequest[] = [];
    const service = implement(AdminService, {
      moveReplica(request) {
        asked.push(request);
        return Promise.resolve({});
      },
    });
    expect(await cli.run(line, service)).toEqual({
      exitCode: 0,
      err: '',
      out: 'default/group/a.git moves from gitaly-0 to gitaly-3; "repository show" tells how far it is\n',
    });
    expect(asked).toMatchObject([
      { virtualStorage: 'default', relativePath: 'group/a.git', from: 'gitaly-0', to: 'gitaly-3' },
    ]);
  });
});

describe('repository set-replication-factor', () => {
  const asked: SetReplicationFactorRequest[] = [];
  const service = implement(PraefectInfoService, {
    setReplicationFactor(request) {
      asked.push(request);
      return Promise.resolve({ storages: ['gitaly-0', 'gitaly-1', 'gitaly-2'] });
    },
  });
  const line = 'repository set-replication-factor default/group/a.git';

  test('tells where the repository is then', async () => {
    expect(await cli.run(`${line} 3`, service)).toEqual({
      exitCode: 0,
      err: '',
      out: 'default/group/a.git is on gitaly-0, gitaly-1, gitaly-2, or will be\n',
    });
    expect(asked).toMatchObject([
      { virtualStorage: 'default', relativePath: 'group/a.git', replicationFactor: 3 },
    ]);
  });

  test('refuses what is no number', async () => {
    const { exitCode, err } = await cli.run(`${line} many`, service);
    expect(exitCode).toBe(1);
    expect(err).toContain('use a number from 1 on');
  });
});
