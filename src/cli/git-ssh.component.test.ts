import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startStorageNode } from '../../test/storage-node/start.ts';
import { GitUser } from '../../test/support/git-user.ts';
import { patience } from '../../test/support/steady-load.ts';
import { startUnansweringPort } from '../../test/support/unanswering-port.ts';
import { Scope } from '../base/scope.ts';
import { createGitalyClient, type GitalyClient } from '../client/gitaly-client.ts';

const token = 's3cret';
const scope = new Scope();
let address: string;
let client: GitalyClient;
let user: GitUser;

beforeAll(async () => {
  const root = await mkdtemp(join(tmpdir(), 'git-ssh-'));
  scope.onStop(() => rm(root, { recursive: true }));
  const node = scope.own(await startStorageNode({ name: 'default', root, token }));
  address = node.address;
  client = scope.own(createGitalyClient({ address: `tcp://${address}`, token, ...patience }));
  user = scope.own(await GitUser.create({ address, token }));
});

afterAll(() => scope.stop());

async function createRepository(relativePath: string): Promise<void> {
  await client.repository.createRepository({
    repository: { storageName: 'default', relativePath },
    defaultBranch: Buffer.from('main'),
  });
}

/** A repository on the server, and the work tree that its one commit was pushed from. */
async function pushNew(relativePath: string): Promise<string> {
  await createRepository(relativePath);
  const cwd = await user.workTree(relativePath.replace('.git', ''));
  await user.git(['push', '-q', user.url(relativePath), 'main'], { cwd });
  return cwd;
}

describe('git over gitaly-ha', () => {
  test('clones what was pushed, finding out by itself that the URL may have a port', async () => {
    const pushed = await pushNew('plain.git');
    const cloned = join(user.folder, 'plain-clone');
    const env = { GIT_SSH_VARIANT: undefined };
    await user.git(['clone', '-q', user.url('plain.git'), cloned], { env });
    const head = (cwd: string) => user.git(['rev-parse', 'HEAD'], { cwd });
    expect(await head(cloned)).toBe(await head(pushed));
    expect(await readFile(join(cloned, 'file'), 'utf8')).toBe('hello');
    await user.git(['fsck', '--strict'], { cwd: cloned });
  });

  test.each(['0', '2'])('lists references with version %s of the protocol', async (version) => {
    await pushNew(`version-${version}.git`);
    const url = user.url(`version-${version}.git`);
    const packets = join(user.folder, `packets-${version}`);
    const lines = await user.git(['-c', `protocol.version=${version}`, 'ls-remote', url], {
      env: { GIT_TRACE_PACKET: packets },
    });
    expect(lines).toMatch(/^[0-9a-f]{40}\tHEAD\n[0-9a-f]{40}\trefs\/heads\/main$/);
    const hasSpoken2 = (await readFile(packets, 'utf8')).includes('< version 2');
    expect(hasSpoken2).toBe(version === '2');
  });

  test('takes the server from the environment, whatever the URL says', async () => {
    await pushNew('elsewhere.git');
    const lines = await user.git(['ls-remote', 'ssh://nowhere.invalid/default/elsewhere.git'], {
      env: { GITALY_HA_ADDRESS: `tcp://${address}` },
    });
    expect(lines).toContain('refs/heads/main');
  });

  test('shows why git refused a push', async () => {
    const cwd = await pushNew('refused.git');
    const push = ['push', user.url('refused.git'), '--delete', 'main'];
    const failure = await user.gitFailure(push, { cwd });
    expect(failure).toMatch(/remote rejected.*deletion of the current branch prohibited/);
  });

  test('says that a repository does not exist, for a fetch and for a push', async () => {
    const missing = /gitaly-ha: repository not found \(NOT_FOUND\)\n.*repository list/;
    const url = user.url('none.git');
    expect(await user.gitFailure(['ls-remote', url])).toMatch(missing);
    const cwd = await user.workTree('lost');
    expect(await user.gitFailure(['push', url, 'main'], { cwd })).toMatch(missing);
  });

  test('says what to check when the token is wrong', async () => {
    const env = { GITALY_HA_TOKEN_FILE: undefined, GITALY_HA_TOKEN: 'wrong' };
    const failure = await user.gitFailure(['ls-remote', user.url('plain.git')], { env });
    expect(failure).toMatch(/gitaly-ha: .*PERMISSION_DENIED\)\nCheck that the token/);
  });

  test('says what to check when nobody listens', async () => {
    const failure = await user.gitFailure(['ls-remote', 'ssh://127.0.0.1:1/default/a.git']);
    expect(failure).toMatch(/no server behind tcp:\/\/127.0.0.1:1 answers: .*ECONNREFUSED/);
  });

  test('ends when nobody answers, although the attempt to connect would go on for minutes', async () => {
    const { port } = scope.own(await startUnansweringPort());
    const cwd = await pushNew('unanswered.git');
    const url = `ssh://127.0.0.1:${port}/default/unanswered.git`;
    const failure = await user.gitFailure(['push', url, 'main'], { cwd });
    expect(failure).toMatch(/no server behind .* could be reached within 3000 ms/);
  });
});

describe('the transport of git', () => {
  function start(service: string, path: string): ChildProcess {
    const [program = '', ...args] = user.command;
    const env = user.environment({ GITALY_HA_ADDRESS: `tcp://${address}` });
    return spawn(program, [...args, 'host', `${service} '/default/${path}'`], { env });
  }

  async function outcome(child: ChildProcess) {
    const exited = new Promise((resolve) => child.on('exit', resolve));
    const [exitCode, out, err] = await Promise.all([
      exited,
      child.stdout ? text(child.stdout) : '',
      child.stderr ? text(child.stderr) : '',
    ]);
    return { exitCode, out, err };
  }

  test('gives the exit code and the words of git on the server', async () => {
    await pushNew('cut.git');
    const child = start('git-receive-pack', 'cut.git');
    child.stdin?.end();
    expect(await outcome(child)).toEqual({
      exitCode: 128,
      out: expect.stringContaining('refs/heads/main'),
      err: 'fatal: the remote end hung up unexpectedly\n',
    });
  });

  test('ends with success when git has what it wants, although git keeps its end open', async () => {
    await pushNew('open.git');
    const child = start('git-upload-pack', 'open.git');
    child.stdin?.write('0000');
    const { exitCode, out } = await outcome(child);
    expect({ exitCode, hasRefs: out.includes('refs/heads/main') }).toEqual({
      exitCode: 0,
      hasRefs: true,
    });
  });

  test.each(['git-upload-pack', 'git-receive-pack'])(
    'of %s ends by itself, and not with success, when git is gone',
    async (service) => {
      await pushNew(`${service}.git`);
      const child = start(service, `${service}.git`);
      const exited = new Promise((resolve) => child.on('exit', resolve));
      const spoke = new Promise((resolve) => child.stdout?.once('data', () => resolve('spoke')));
      expect(await Promise.race([spoke, exited])).toBe('spoke');
      child.stdout?.destroy();
      child.stdin?.destroy();
      expect([128, 255]).toContain(await exited);
    },
  );
});
