import { afterEach, describe, expect, test } from '@jest/globals';
import { CliRunner } from '../../test/support/cli-runner.ts';
import { implement } from '../../test/support/rpc-server.ts';
import { RepositoryService, type CreateRepositoryRequest } from '../gen/gitaly/repository_pb.ts';
import { ServerService } from '../gen/gitaly/server_pb.ts';
import { ObjectFormat } from '../gen/gitaly/shared_pb.ts';
import { AdminService } from '../gen/gitaly_operator/v1/admin_pb.ts';
import { RpcError } from '../rpc/rpc-error.ts';
import { statusCodes } from '../rpc/status.ts';

const cli = new CliRunner();
const run = cli.run.bind(cli);
const runWith = cli.runWith.bind(cli);
afterEach(() => cli.stop());

const admin = implement(AdminService, {
  getStatus: () =>
    Promise.resolve({
      proxyId: 'proxy-7f',
      storeReachable: true,
      virtualStorages: [
        {
          name: 'default',
          repositories: 1204n,
          fullyReplicated: 1200n,
          degraded: 3n,
          atRisk: 1n,
          storages: [
            {
              name: 'gitaly-0',
              healthy: true,
              replicas: 1204n,
              inSync: 1204n,
              primaries: 602n,
              weight: 120.4,
              freeBytes: 25n * 2n ** 30n,
              totalBytes: 50n * 2n ** 30n,
            },
            {
              name: 'gitaly-1',
              replicas: 1204n,
              inSync: 1200n,
              healthReason: 'no answer',
              configuredWeight: 0,
            },
          ],
        },
      ],
    }),
  async *listRepositories(request) {
    const listed = [
      {
        id: 1n,
        virtualStorage: 'default',
        relativePath: 'group/a.git',
        replicaPath: '@cluster/repositories/6b/86/1',
        epoch: 2n,
        lsn: 12n,
        primary: 'gitaly-0',
        replicas: [
          { storage: 'gitaly-0', lsn: 12n, role: 'voter', inSync: true },
          { storage: 'gitaly-1', lsn: 9n, role: 'learner', inSync: false },
        ],
      },
      { id: 2n, virtualStorage: 'default', relativePath: 'group/b.git', lsn: 1n },
    ];
    yield* listed
      .filter(({ relativePath }) => ['', relativePath].includes(request.relativePath))
      .filter(({ replicas }) => !request.onlyDegraded || replicas !== undefined);
  },
});

describe('status', () => {
  test('shows what matters first, then tables', async () => {
    expect(await run('status', admin)).toEqual({
      exitCode: 0,
      err: '',
      out: [
        '1 repository cannot be written: too few replicas are in sync.',
        '3 repositories can be used, with fewer replicas than there should be.',
        '(as seen by proxy proxy-7f)',
        '',
        'VIRTUAL STORAGE  REPOSITORIES  REPLICATED  DEGRADED  AT RISK  UNAVAILABLE',
        'default                  1204        1200         3        1            0',
        '',
        'VIRTUAL STORAGE  STORAGE   HEALTH     REPLICAS  IN SYNC  PRIMARIES       WEIGHT             FREE  REASON',
        'default          gitaly-0  healthy        1204     1204        602   120 (auto)  25.0 GiB (50 %)',
        'default          gitaly-1  unhealthy      1204     1200          0  0 (by hand)          unknown  no answer',
        '',
      ].join('\n'),
    });
  });

  test('prints JSON for programs, also what has its default', async () => {
    const { out } = await run('status --json', admin);
    expect(JSON.parse(out)).toMatchObject({
      proxyId: 'proxy-7f',
      virtualStorages: [{ repositories: '1204', unavailable: '0' }],
    });
  });

  test('says that all is well if it is, and that the store is gone if it is', async () => {
    const status = (storeReachable: boolean) =>
      implement(AdminService, { getStatus: () => Promise.resolve({ storeReachable }) });
    expect((await run('status', status(true))).out).toMatch(
      /^Every repository is fully replicated/,
    );
    expect((await run('status', status(false))).out).toMatch(
      /^The control store cannot be reached/,
    );
  });
});

describe('repository list', () => {
  test('shows a line for each repository', async () => {
    expect((await run('repository list', admin)).out).toBe(
      [
        'REPOSITORY           PRIMARY   IN SYNC  LSN  BEHIND',
        'default/group/a.git  gitaly-0      1/2   12  gitaly-1',
        'default/group/b.git  -             0/0    1',
        '',
      ].join('\n'),
    );
  });

  test('passes filters on, and prints an object a line', async () => {
    const { out } = await run('--json repository list --degraded', admin);
    const [line = '', ...rest] = out.split('\n');
    expect(JSON.parse(line)).toMatchObject({ id: '1', primary: 'gitaly-0', intents: 0 });
    expect(rest).toEqual(['']);
  });

  test('says so if there are more than the limit', async () => {
    const { out } = await run('repository list --limit 1', admin);
    expect(out).not.toContain('b.git');
    expect(out).toMatch(/There are more than 1/);
    expect((await run('repository list --limit 2', admin)).out).not.toMatch(/There are more/);
  });
});

describe('repository show', () => {
  test('shows the replicas', async () => {
    expect((await run('repository show default/group/a.git', admin)).out).toBe(
      [
        'Repository:        default/group/a.git',
        'Id:                1',
        'Path on storages:  @cluster/repositories/6b/86/1',
        'Epoch:             2',
        'LSN:               12',
        'Primary:           gitaly-0',
        'Writes in flight:  0',
        'Verified:          not yet',
        '',
        'STORAGE   ROLE     LSN  IN SYNC',
        'gitaly-0  voter     12  yes',
        'gitaly-1  learner    9  no, 3 writes behind',
        '',
      ].join('\n'),
    );
  });

  test('shows what repairs are about, and why they have failed', async () => {
    const replica = { role: 'learner', lsn: 9n, lastFailure: 'the disk is full' };
    const replicas = [
      { storage: 'gitaly-0', role: 'voter', lsn: 12n, inSync: true },
      { ...replica, storage: 'gitaly-1' },
      { ...replica, storage: 'gitaly-2', repairedBy: 'proxy-0' },
    ];
    const repairing = implement(AdminService, {
      async *listRepositories() {
        yield { primary: 'gitaly-0', lsn: 12n, replicas };
      },
    });
    const { out } = await run('repository show default/group/a.git', repairing);
    expect(out.split('\n').slice(-5)).toEqual([
      'STORAGE   ROLE     LSN  IN SYNC              REPAIR',
      'gitaly-0  voter     12  yes',
      'gitaly-1  learner    9  no, 3 writes behind  failed: the disk is full',
      'gitaly-2  learner    9  no, 3 writes behind  under way, by proxy-0; before it failed: the disk is full',
      '',
    ]);
  });

  test('fails with the next step if there is no such repository', async () => {
    const { exitCode, err } = await run('repository show default/none.git', admin);
    expect(exitCode).toBe(1);
    expect(err).toMatch(/^gitaly-ha: default\/none.git does not exist: .*repository list/);
  });
});

describe('repository create, exists, checksum and remove', () => {
  const repositories = new Set<string>();
  const created: CreateRepositoryRequest[] = [];
  const service = implement(RepositoryService, {
    createRepository(request) {
      created.push(request);
      repositories.add(`${request.repository?.storageName}:${request.repository?.relativePath}`);
      return Promise.resolve({});
    },
    repositoryExists: ({ repository }) =>
      Promise.resolve({
        exists: repositories.has(`${repository?.storageName}:${repository?.relativePath}`),
      }),
    calculateChecksum: () => Promise.resolve({ checksum: '00ff' }),
    removeRepository({ repository }) {
      if (!repositories.delete(`${repository?.storageName}:${repository?.relativePath}`)) {
        throw new RpcError(statusCodes.NOT_FOUND, 'repository not found');
      }
      return Promise.resolve({});
    },
  });
  const name = 'default/group/a.git';

  test('do what they say', async () => {
    const create = `repository create ${name} --object-format sha256 --default-branch trunk`;
    expect(await run(create, service)).toEqual({ exitCode: 0, out: `created ${name}\n`, err: '' });
    expect([...repositories]).toEqual(['default:group/a.git']);
    const defaultBranch = new Uint8Array(Buffer.from('trunk'));
    expect(created).toMatchObject([{ objectFormat: ObjectFormat.SHA256, defaultBranch }]);
    const exists = await run(`repository exists ${name}`, service);
    expect(exists).toEqual({ exitCode: 0, out: `${name} exists\n`, err: '' });
    expect((await run(`repository checksum ${name}`, service)).out).toBe('00ff\n');
    expect(await run(`repository remove ${name}`, service)).toMatchObject({
      exitCode: 1,
      err: expect.stringContaining('repeat the command with --yes'),
    });
    expect((await run(`repository remove ${name} --yes`, service)).out).toBe(`removed ${name}\n`);
    expect(await run(`repository exists ${name} --json`, service)).toEqual({
      exitCode: 1,
      out: '{"exists":false}\n',
      err: '',
    });
    expect(await run(`repository remove ${name} --yes`, service)).toMatchObject({
      exitCode: 1,
      err: expect.stringMatching(/repository not found \(NOT_FOUND\)\n.*repository list/),
    });
  });

  test('refuse a name without a virtual storage', async () => {
    const { exitCode, err } = await run('repository exists project.git', service);
    expect(exitCode).toBe(1);
    expect(err).toContain('like default/group/project.git');
  });
});

test('server-info shows versions and storages', async () => {
  const service = implement(ServerService, {
    serverInfo: () =>
      Promise.resolve({
        serverVersion: '18.9.0',
        gitVersion: '2.55.0',
        storageStatuses: [{ storageName: 'default', readable: true, replicationFactor: 3 }],
      }),
  });
  expect((await run('server-info', service)).out).toBe(
    [
      'Server:  18.9.0',
      'Git:     2.55.0',
      '',
      'STORAGE  READABLE  WRITEABLE  REPLICATION FACTOR',
      'default  yes       no                          3',
      '',
    ].join('\n'),
  );
});

describe('a failure', () => {
  test.each([
    [statusCodes.UNAUTHENTICATED, /Check that the token/],
    [statusCodes.UNAVAILABLE, /Check that tcp:\/\/127.0.0.1:\d+ is right/],
    [statusCodes.DEADLINE_EXCEEDED, /--timeout/],
  ])('with status %d comes with the next step', async (code, next) => {
    const service = implement(AdminService, {
      getStatus: () => Promise.reject(new RpcError(code, 'no')),
    });
    const { exitCode, out, err } = await run('status', service);
    expect({ exitCode, out }).toEqual({ exitCode: 1, out: '' });
    expect(err).toMatch(next);
  });

  test('of a server that is no proxy of ours says so', async () => {
    expect((await run('status')).err).toContain('Is it a proxy of gitaly-operator');
  });

  test('for want of an address names the flag and the variable', async () => {
    expect(await runWith('status', {})).toEqual({
      exitCode: 1,
      out: '',
      err: expect.stringMatching(/--address .*GITALY_HA_ADDRESS/),
    });
  });

  test.each([
    ['an unknown command', 'frobnicate'],
    ['a missing argument', 'repository show'],
    ['a bad number', 'repository list --limit 0'],
    ['a bad time', '--timeout x status'],
    ['no command', ''],
  ])('because of %s goes to stderr', async (_what, line) => {
    const { exitCode, out, err } = await runWith(line, {});
    expect({ exitCode, out }).toEqual({ exitCode: 1, out: '' });
    expect(err).not.toBe('');
  });
});

test('help goes to stdout', async () => {
  const { exitCode, out } = await runWith('git-ssh --help', {});
  expect(exitCode).toBe(0);
  expect(out).toContain('git clone ssh://proxy:8075/default/group/project.git');
});
