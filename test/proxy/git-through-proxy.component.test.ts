import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { GitalyClient } from '../../src/client/gitaly-client.ts';
import { Scope } from '../../src/base/scope.ts';
import { GitUser } from '../support/git-user.ts';
import { ProxyCluster } from '../support/proxy-cluster.ts';

const scope = new Scope();
let cluster: ProxyCluster;
let client: GitalyClient;
let user: GitUser;

beforeAll(async () => {
  cluster = scope.own(await ProxyCluster.start());
  client = cluster.client();
  const address = `127.0.0.1:${cluster.proxies[0]?.grpcPort}`;
  user = scope.own(await GitUser.create({ address, token: ProxyCluster.clientToken }));
});

afterAll(() => scope.stop());

/** A repository behind the proxy, and a work tree with one commit that was pushed to it. */
async function pushed(name: string) {
  const relativePath = `${name}.git`;
  await client.repository.createRepository({
    repository: { storageName: 'default', relativePath },
    defaultBranch: Buffer.from('main'),
  });
  const tree = await user.workTree(name);
  const url = user.url(relativePath);
  await user.git(['push', '-q', url, 'main'], { cwd: tree });
  return { tree, url, relativePath, head: await headOf(tree) };
}

async function clone(url: string, name: string, ...options: readonly string[]): Promise<string> {
  const path = join(user.folder, name);
  await user.git(['clone', '-q', ...options, url, path]);
  return path;
}

const headOf = (cwd: string) => user.git(['rev-parse', 'HEAD'], { cwd });

describe('git through a proxy', () => {
  it('pushes to all replicas and clones, and the clone is sound', async () => {
    const { url, head, relativePath } = await pushed('plain');
    const path = await clone(url, 'plain-clone');
    expect(await headOf(path)).toBe(head);
    expect(await readFile(join(path, 'file'), 'utf8')).toBe('hello');
    expect(await user.git(['fsck', '--full', '--strict'], { cwd: path })).toBe('');
    expect(await headsOfReplicas(relativePath)).toEqual([head, head, head]);
  });

  it('fetches what was added since the clone, and nothing else', async () => {
    const { url, tree } = await pushed('grows');
    const path = await clone(url, 'grows-clone');
    const before = await packedObjects(path);
    const added = await user.commit(tree, 'more');
    await user.git(['push', '-q', url, 'main'], { cwd: tree });
    await user.git(['-c', 'fetch.unpackLimit=1', 'fetch', '-q'], { cwd: path });
    expect(await user.git(['rev-parse', 'origin/main'], { cwd: path })).toBe(added);
    // A commit, a tree and a blob.
    expect((await packedObjects(path)) - before).toBe(3);
  });

  it('fetches nothing when nothing was added', async () => {
    const { url, head } = await pushed('rests');
    const path = await clone(url, 'rests-clone');
    await user.git(['fetch', '-q'], { cwd: path });
    expect(await user.git(['rev-parse', 'origin/main'], { cwd: path })).toBe(head);
  });

  it('makes a shallow clone, and deepens it later', async () => {
    const { url, tree } = await pushed('deep');
    for (const content of ['second', 'third']) await user.commit(tree, content);
    await user.git(['push', '-q', url, 'main'], { cwd: tree });
    const path = await clone(url, 'shallow', '--depth=1');
    const count = () => user.git(['rev-list', '--count', 'HEAD'], { cwd: path });
    expect(await count()).toBe('1');
    await user.git(['fetch', '-q', '--unshallow'], { cwd: path });
    expect(await count()).toBe('3');
    await user.git(['fsck', '--full'], { cwd: path });
  });

  it.each(['0', '1', '2'])('speaks version %s of the protocol', async (version) => {
    const { url, head } = await pushed(`version-${version}`);
    const config = `protocol.version=${version}`;
    const path = await clone(url, `version-${version}-clone`, '-c', config);
    expect(await headOf(path)).toBe(head);
  });

  it('deletes a branch', async () => {
    const { url, tree } = await pushed('branches');
    await user.git(['push', '-q', url, 'main:topic'], { cwd: tree });
    expect(await user.git(['ls-remote', '--heads', url])).toContain('refs/heads/topic');
    await user.git(['push', '-q', url, '--delete', 'topic'], { cwd: tree });
    expect(await user.git(['ls-remote', '--heads', url])).not.toContain('refs/heads/topic');
  });

  it('serves many clones at the same time', async () => {
    const { url, head } = await pushed('popular');
    const names = Array.from({ length: 8 }, (_, index) => `popular-${index}`);
    const paths = await Promise.all(names.map((name) => clone(url, name)));
    expect(new Set(await Promise.all(paths.map(headOf)))).toEqual(new Set([head]));
  });
});

describe('git learns from a proxy', () => {
  it('that a repository does not exist', async () => {
    const missing = /gitaly-ha: repository not found \(NOT_FOUND\)\n.*repository list/;
    const url = user.url('none.git');
    const cwd = await user.workTree('lost');
    expect(await user.gitFailure(['push', url, 'main'], { cwd })).toMatch(missing);
    expect(await user.gitFailure(['clone', url, 'never'])).toMatch(missing);
  });

  it('that a virtual storage does not exist', async () => {
    const url = user.url('a.git').replace('/default/', '/other/');
    expect(await user.gitFailure(['ls-remote', url])).toMatch(
      /gitaly-ha: storage name not found \(INVALID_ARGUMENT\)/,
    );
  });

  it('that the token is wrong, for a fetch and for a push', async () => {
    const { url, tree: cwd } = await pushed('secret');
    const env = { GITALY_HA_TOKEN_FILE: undefined, GITALY_HA_TOKEN: 'wrong' };
    const refused = /gitaly-ha: .*\(PERMISSION_DENIED\)\nCheck that the token/;
    expect(await user.gitFailure(['ls-remote', url], { env })).toMatch(refused);
    expect(await user.gitFailure(['push', url, 'main:new'], { cwd, env })).toMatch(refused);
  });

  it('why git on the storages refused a push', async () => {
    const { url, tree: cwd, head, relativePath } = await pushed('refused');
    const failure = await user.gitFailure(['push', url, '--delete', 'main'], { cwd });
    expect(failure).toMatch(/remote rejected.*deletion of the current branch prohibited/);
    expect(await headsOfReplicas(relativePath)).toEqual([head, head, head]);
  });
});

/** The commit of `main` on each storage. */
async function headsOfReplicas(relativePath: string): Promise<(string | undefined)[]> {
  for await (const { replicaPath } of client.admin.listRepositories({
    virtualStorage: 'default',
    relativePath,
  })) {
    return Promise.all(
      cluster.nodes.map(async ({ name }) => {
        const found = await cluster.storageClient(name).commit.findCommit({
          repository: { storageName: name, relativePath: replicaPath },
          revision: Buffer.from('main'),
        });
        return found.commit?.id;
      }),
    );
  }
  throw new Error(`${relativePath} is not listed`);
}

async function packedObjects(cwd: string): Promise<number> {
  const listing = await user.git(['count-objects', '-v'], { cwd });
  return Number(/^in-pack: (\d+)$/m.exec(listing)?.[1]);
}
