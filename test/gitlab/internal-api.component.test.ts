import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { LocalRepository } from '../storage-node/git/storages.ts';
import { HttpGitLabApi, type PushQuestion } from '../storage-node/hooks/gitlab-api.ts';
import { startInternalApi, type InternalApi } from './internal-api.ts';

const question: PushQuestion = {
  repository: {
    path: '/nowhere/a.git',
    relativePath: 'a.git',
    glRepository: 'project-1',
  } as LocalRepository,
  pusher: { glId: 'user-1', glUsername: 'somebody', protocol: 'ssh' },
  changes: Buffer.from('0 1 refs/heads/main\n'),
  pushOptions: [],
  quarantine: undefined,
};

describe('the stand-in for GitLab', () => {
  let api: InternalApi;

  beforeAll(async () => {
    api = await startInternalApi({ host: '127.0.0.1', port: 0, secret: 'shared' });
  });
  afterAll(() => api.stop());

  const client = (secret: string) =>
    new HttpGitLabApi({ url: `http://127.0.0.1:${api.port}`, secret });

  test('allows a push to who knows the secret', async () => {
    await client('shared').allowed(question);
    expect(await client('shared').preReceive('project-1')).toBe(true);
    expect(await client('shared').postReceive(question)).toEqual([]);
  });

  test('refuses who does not', async () => {
    await expect(client('other').allowed(question)).rejects.toThrow('not signed');
  });
});
