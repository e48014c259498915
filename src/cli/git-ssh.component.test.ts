import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startStorageNode, type StartedStorageNode } from '../../test/storage-node/start.ts';
import { createGitalyClient, type GitalyClient } from '../client/gitaly-client.ts';

const run = promisify(execFile);
const token = 's3cret';
const cli = fileURLToPath(new URL('../main/cli.ts', import.meta.url));
const loader = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;

let folder: string;
let node: StartedStorageNode;
let client: GitalyClient;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'git-ssh-'));
  node = await startStorageNode({ name: 'default', root: join(folder, 'node'), token });
  client = createGitalyClient({ address: `tcp://${node.address}`, token });
  await writeFile(join(folder, 'token'), `${token}\n`);
  await writeFile(
    join(folder, 'peak.mjs'),
    `import { writeFileSync } from 'node:fs';
     process.on('exit', () => writeFileSync(process.env.PEAK_FILE, String(process.resourceUsage().maxRSS)));`,
  );
});

afterAll(async () => {
  await client.stop();
  await node.stop();
  await rm(folder, { recursive: true });
});

/** What the shell makes `gitaly-ha git-ssh` of, without having it installed. */
function command(...imports: readonly string[]): readonly string[] {
  return [
    process.execPath,
    ...[loader, ...imports].flatMap((url) => ['--import', url]),
    cli,
    'git-ssh',
  ];
}

function environment(overrides: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  return {
    PATH: process.env['PATH'],
    HOME: folder,
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_SSH_COMMAND: command().join(' '),
    // Without it git asks first whether we are like OpenSSH, which takes a process each time.
    GIT_SSH_VARIANT: 'ssh',
    GITALY_HA_TOKEN_FILE: join(folder, 'token'),
    ...overrides,
  };
}

async function git(cwd: string, args: readonly string[], overrides: NodeJS.ProcessEnv = {}) {
  const identity = ['-c', 'user.name=Jane', '-c', 'user.email=jane@example.com'];
  const all = [...identity, '-c', 'core.compression=0', ...args];
  const { stdout } = await run('git', all, { cwd, env: environment(overrides) });
  return stdout.trim();
}

/** What git says when it fails. */
async function gitFailure(args: readonly string[], overrides: NodeJS.ProcessEnv = {}) {
  return git(folder, args, overrides).then(
    () => 'it did not fail',
    (error: { stderr: string }) => error.stderr,
  );
}

const url = (path: string) => `ssh://git@${node.address}/default/${path}`;

/** A folder with one commit, of a file with the given bytes. */
async function workTree(name: string, bytes: Buffer): Promise<string> {
  const path = join(folder, name);
  await git(folder, ['init', '-q', '-b', 'main', path]);
  await writeFile(join(path, 'file'), bytes);
  await git(path, ['add', 'file']);
  await git(path, ['commit', '-q', '-m', 'first']);
  return path;
}

async function createRepository(relativePath: string): Promise<void> {
  await client.repository.createRepository({
    repository: { storageName: 'default', relativePath },
    defaultBranch: Buffer.from('main'),
  });
}

async function pushNew(relativePath: string, bytes = Buffer.from('hello')): Promise<string> {
  await createRepository(relativePath);
  const path = await workTree(relativePath.replace('.git', ''), bytes);
  await git(path, ['push', '-q', url(relativePath), 'main']);
  return path;
}

describe('git over gitaly-ha', () => {
  test('clones what was pushed, finding out by itself that the URL may have a port', async () => {
    const pushed = await pushNew('plain.git');
    const cloned = join(folder, 'plain-clone');
    await git(folder, ['clone', '-q', url('plain.git'), cloned], { GIT_SSH_VARIANT: undefined });
    expect(await git(cloned, ['rev-parse', 'HEAD'])).toBe(await git(pushed, ['rev-parse', 'HEAD']));
    expect(await readFile(join(cloned, 'file'), 'utf8')).toBe('hello');
    await git(cloned, ['fsck', '--strict']);
  });

  test.each(['0', '2'])('lists references with version %s of the protocol', async (version) => {
    await pushNew(`version-${version}.git`);
    const args = ['-c', `protocol.version=${version}`, 'ls-remote', url(`version-${version}.git`)];
    const packets = join(folder, `packets-${version}`);
    const lines = await git(folder, args, { GIT_TRACE_PACKET: packets });
    expect(lines).toMatch(/^[0-9a-f]{40}\tHEAD\n[0-9a-f]{40}\trefs\/heads\/main$/);
    const hasSpoken2 = (await readFile(packets, 'utf8')).includes('< version 2');
    expect(hasSpoken2).toBe(version === '2');
  });

  test('takes the server from the environment, whatever the URL says', async () => {
    await pushNew('elsewhere.git');
    const lines = await git(folder, ['ls-remote', 'ssh://nowhere.invalid/default/elsewhere.git'], {
      GITALY_HA_ADDRESS: `tcp://${node.address}`,
    });
    expect(lines).toContain('refs/heads/main');
  });

  test('shows why git refused a push', async () => {
    const path = await pushNew('refused.git');
    const failure = await git(path, ['push', url('refused.git'), '--delete', 'main']).catch(
      (error: { stderr: string }) => error.stderr,
    );
    expect(failure).toMatch(/remote rejected.*deletion of the current branch prohibited/);
  });

  test('says that a repository does not exist, for a fetch and for a push', async () => {
    const missing = /gitaly-ha: repository not found \(NOT_FOUND\)\n.*repository list/;
    expect(await gitFailure(['ls-remote', url('none.git')])).toMatch(missing);
    const path = await workTree('lost', Buffer.from('x'));
    expect(await gitFailure(['-C', path, 'push', url('none.git'), 'main'])).toMatch(missing);
  });

  test('says what to check when the token is wrong', async () => {
    const wrong = { GITALY_HA_TOKEN_FILE: undefined, GITALY_HA_TOKEN: 'wrong' };
    const failure = await gitFailure(['ls-remote', url('plain.git')], wrong);
    expect(failure).toMatch(/gitaly-ha: .*PERMISSION_DENIED\)\nCheck that the token/);
  });

  test('says what to check when nobody listens', async () => {
    const failure = await gitFailure(['ls-remote', 'ssh://127.0.0.1:1/default/a.git']);
    expect(failure).toMatch(/no server behind tcp:\/\/127.0.0.1:1 answers: .*ECONNREFUSED/);
  });

  test('pushes and clones 128 MiB in bounded memory', async () => {
    const bytes = randomBytes(128 * 1024 * 1024);
    const path = await workTree('big', bytes);
    await createRepository('big.git');
    const peakFile = join(folder, 'peak');
    const measured = {
      GIT_SSH_COMMAND: command(pathToFileURL(join(folder, 'peak.mjs')).href).join(' '),
      PEAK_FILE: peakFile,
    };
    const peakMiB = async () => Number(await readFile(peakFile, 'utf8')) / 1024;
    await git(path, ['push', '-q', url('big.git'), 'main'], measured);
    expect(await peakMiB()).toBeLessThan(190);
    const cloned = join(folder, 'big-clone');
    await git(folder, ['clone', '-q', url('big.git'), cloned], measured);
    expect(await peakMiB()).toBeLessThan(190);
    expect((await readFile(join(cloned, 'file'))).equals(bytes)).toBe(true);
  }, 120_000);
});

describe('the transport of git', () => {
  function start(service: string, path: string): ChildProcess {
    const [program = '', ...args] = command();
    const env = environment({ GITALY_HA_ADDRESS: `tcp://${node.address}` });
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
      await new Promise((resolve) => child.stdout?.once('data', resolve));
      child.stdout?.destroy();
      child.stdin?.destroy();
      expect([128, 255]).toContain(await exited);
    },
  );
});
