import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { GitCluster } from '../support/git-cluster.ts';
import type { GitUser } from '../support/git-user.ts';
import { startStalledFetch } from '../support/stalled-fetch.ts';

let cluster: GitCluster;
let user: GitUser;

beforeAll(async () => {
  cluster = await GitCluster.start();
  ({ user } = cluster);
});

afterAll(() => cluster.stop());

describe('git through a proxy', () => {
  it('pushes to all replicas and clones, and the clone is sound', async () => {
    const { url, head, relativePath } = await cluster.pushed('plain');
    const path = await cluster.clone(url, 'plain-clone');
    expect(await cluster.headOf(path)).toBe(head);
    expect(await readFile(join(path, 'file'), 'utf8')).toBe('hello');
    expect(await user.git(['fsck', '--full', '--strict'], { cwd: path })).toBe('');
    expect(await cluster.headsOfReplicas(relativePath)).toEqual([head, head, head]);
  });

  it('fetches what was added since the clone, and nothing else', async () => {
    const { url, tree } = await cluster.pushed('grows');
    const path = await cluster.clone(url, 'grows-clone');
    const before = await packedObjects(path);
    const added = await user.commit(tree, 'more');
    await user.git(['push', '-q', url, 'main'], { cwd: tree });
    await user.git(['-c', 'fetch.unpackLimit=1', 'fetch', '-q'], { cwd: path });
    expect(await user.git(['rev-parse', 'origin/main'], { cwd: path })).toBe(added);
    // A commit, a tree and a blob.
    expect((await packedObjects(path)) - before).toBe(3);
  });

  it('fetches nothing when nothing was added', async () => {
    const { url, head } = await cluster.pushed('rests');
    const path = await cluster.clone(url, 'rests-clone');
    await user.git(['fetch', '-q'], { cwd: path });
    expect(await user.git(['rev-parse', 'origin/main'], { cwd: path })).toBe(head);
  });

  it('makes a shallow clone, and deepens it later', async () => {
    const { url, tree } = await cluster.pushed('deep');
    for (const content of ['second', 'third']) await user.commit(tree, content);
    await user.git(['push', '-q', url, 'main'], { cwd: tree });
    const path = await cluster.clone(url, 'shallow', '--depth=1');
    const count = () => user.git(['rev-list', '--count', 'HEAD'], { cwd: path });
    expect(await count()).toBe('1');
    await user.git(['fetch', '-q', '--unshallow'], { cwd: path });
    expect(await count()).toBe('3');
    await user.git(['fsck', '--full'], { cwd: path });
  });

  it.each(['0', '1', '2'])('speaks version %s of the protocol', async (version) => {
    const { url, head } = await cluster.pushed(`version-${version}`);
    const config = `protocol.version=${version}`;
    const path = await cluster.clone(url, `version-${version}-clone`, '-c', config);
    expect(await cluster.headOf(path)).toBe(head);
  });

  it('deletes a branch', async () => {
    const { url, tree } = await cluster.pushed('branches');
    await user.git(['push', '-q', url, 'main:topic'], { cwd: tree });
    expect(await user.git(['ls-remote', '--heads', url])).toContain('refs/heads/topic');
    await user.git(['push', '-q', url, '--delete', 'topic'], { cwd: tree });
    expect(await user.git(['ls-remote', '--heads', url])).not.toContain('refs/heads/topic');
  });

  it('serves many clones at the same time', async () => {
    const { url, head } = await cluster.pushed('popular');
    const names = Array.from({ length: 8 }, (_, index) => `popular-${index}`);
    const paths = await Promise.all(names.map((name) => cluster.clone(url, name)));
    expect(new Set(await Promise.all(paths.map((path) => cluster.headOf(path))))).toEqual(
      new Set([head]),
    );
  });

  it('serves others while some do not read what they asked for', async () => {
    const { url, head, relativePath } = await cluster.pushed('slow', randomBytes(16 * 1024 * 1024));
    const stalled = await Promise.all(
      Array.from({ length: 6 }, () => startStalledFetch(cluster.client, relativePath, head)),
    );
    expect(await cluster.headOf(await cluster.clone(url, 'slow-clone'))).toBe(head);
    for (const fetch of stalled) fetch.cancel();
    for (const { ended } of stalled) await expect(ended).rejects.toThrow('cancelled');
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
    const { url, tree: cwd } = await cluster.pushed('secret');
    const env = { GITALY_HA_TOKEN_FILE: undefined, GITALY_HA_TOKEN: 'wrong' };
    const refused = /gitaly-ha: .*\(PERMISSION_DENIED\)\nCheck that the token/;
    expect(await user.gitFailure(['ls-remote', url], { env })).toMatch(refused);
    expect(await user.gitFailure(['push', url, 'main:new'], { cwd, env })).toMatch(refused);
  });

  it('why git on the storages refused a push', async () => {
    const { url, tree: cwd, head, relativePath } = await cluster.pushed('refused');
    const failure = await user.gitFailure(['push', url, '--delete', 'main'], { cwd });
    expect(failure).toMatch(/remote rejected.*deletion of the current branch prohibited/);
    expect(await cluster.headsOfReplicas(relativePath)).toEqual([head, head, head]);
  });
});

async function packedObjects(cwd: string): Promise<number> {
  const listing = await user.git(['count-objects', '-v'], { cwd });
  return Number(/^in-pack: (\d+)$/m.exec(listing)?.[1]);
}
