import { afterEach, describe, expect, test } from '@jest/globals';
import { CliRunner } from '../../test/support/cli-runner.ts';
import { implement } from '../../test/support/rpc-server.ts';
import { PraefectInfoService, type MarkUnverifiedRequest } from '../gen/gitaly/praefect_pb.ts';
import { AdminService } from '../gen/gitaly_operator/v1/admin_pb.ts';

const cli = new CliRunner();
afterEach(() => cli.stop());

const answers: Readonly<Record<string, object>> = {
  'good.git': { outcome: 'verified' },
  'flawed.git': {
    outcome: 'leftBehind',
    flaws: [{ storage: 'gitaly-1', flaw: 'missing' }],
  },
  'open.git': { outcome: 'undecidable', detail: 'they differ: gitaly-0 | gitaly-1' },
  'busy.git': { outcome: 'postponed', detail: 'it is under repair already' },
};

const admin = implement(AdminService, {
  verifyRepository: ({ relativePath }) => Promise.resolve(answers[relativePath] ?? {}),
  async *listRepositories({ onlyUndecided }) {
    const name = { virtualStorage: 'default', relativePath: 'open.git', primary: 'gitaly-0' };
    if (onlyUndecided) yield { ...name, finding: 'they differ: gitaly-0 | gitaly-1' };
  },
});

function praefectInfo(marked: MarkUnverifiedRequest[] = []) {
  return implement(PraefectInfoService, {
    markUnverified(request) {
      marked.push(request);
      return Promise.resolve({ replicasMarked: 300n });
    },
  });
}

describe('repository verify', () => {
  test.each([
    ['good.git', 0, 'all replicas in sync are there, and equal'],
    ['flawed.git', 0, 'gitaly-1  missing'],
    ['open.git', 1, 'accept-dataloss default/open.git --storage STORAGE'],
    ['busy.git', 0, 'could not be verified: it is under repair already'],
  ])('of %s has exit code %i and says: %s', async (name, exitCode, text) => {
    const done = await cli.run(`repository verify default/${name}`, admin);
    expect(done).toMatchObject({ exitCode, err: '' });
    expect(done.out).toContain(text);
  });

  test('prints JSON for programs', async () => {
    const { out } = await cli.run('repository verify default/flawed.git --json', admin);
    expect(JSON.parse(out)).toEqual({
      outcome: 'leftBehind',
      detail: '',
      flaws: [{ storage: 'gitaly-1', flaw: 'missing' }],
    });
  });

  test('marks all of a virtual storage, or of one storage', async () => {
    const marked: MarkUnverifiedRequest[] = [];
    const all = await cli.run('repository verify --virtual-storage default', praefectInfo(marked));
    expect(all).toMatchObject({ exitCode: 0, err: '' });
    expect(all.out).toContain('300 replicas will be verified');
    const one = 'repository verify --virtual-storage default --storage gitaly-1';
    await cli.run(one, praefectInfo(marked));
    expect(marked.map(({ selector }) => selector)).toMatchObject([
      { case: 'virtualStorage', value: 'default' },
      { case: 'storage', value: { virtualStorage: 'default', storage: 'gitaly-1' } },
    ]);
  });

  test.each(['', ' default/good.git --virtual-storage default', ' --storage gitaly-1'])(
    'with "%s" tells what to write',
    async (args) => {
      const { exitCode, err } = await cli.run(`repository verify${args}`, praefectInfo());
      expect(exitCode).toBe(1);
      expect(err).toContain('name a repository, or write --virtual-storage');
    },
  );
});

test('repository list --undecided shows what a person has to put right', async () => {
  const { out } = await cli.run('repository list --undecided', admin);
  expect(out).toContain('default/open.git');
  expect(out).toContain('they differ: gitaly-0 | gitaly-1');
  const { out: all } = await cli.run('repository list', admin);
  expect(all).not.toContain('FINDING');
});
