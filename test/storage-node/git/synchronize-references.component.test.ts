import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from '@jest/globals';
import { Scope } from '../../../src/base/scope.ts';
import type { FetchSource } from './fetch-source.ts';
import { Git } from './git.ts';
import { synchronizeReferences } from './synchronize-references.ts';

/** A git that cannot take a pack, as on a full disk. */
const wrapper = `#!/bin/sh
case "$*" in *index-pack*) echo 'no room' >&2; exit 1;; esac
exec git "$@"
`;

/** A repository with one reference, the pack for which does not fit into a pipe. */
const source = {
  references: async () => ({
    references: new Map([['refs/heads/main', 'a'.repeat(40)]]),
    head: undefined,
    objectFormat: 'sha1',
  }),
  async fetch(_wants, _haves, onPack) {
    for (let chunk = 0; chunk < 10; chunk += 1) await onPack(Buffer.alloc(256 * 1024));
  },
} as Pick<FetchSource, 'references' | 'fetch'> as FetchSource;

test('a copy ends with the reason when git is gone before the source has sent all', async () => {
  const scope = new Scope();
  try {
    const root = await mkdtemp(path.join(tmpdir(), 'synchronize-'));
    scope.onStop(() => rm(root, { recursive: true, force: true }));
    const binary = path.join(root, 'git');
    await writeFile(binary, wrapper, { mode: 0o755 });
    const git = new Git({ binary, hooksPath: '/dev/null', home: root });
    const repository = path.join(root, 'copy.git');
    await git.output(root, ['init', '--bare', repository], { env: { GIT_DIR: repository } });
    const { signal } = new AbortController();
    const copied = synchronizeReferences({ git, repository, source, signal });
    await expect(copied).rejects.toThrow('index-pack: no room');
  } finally {
    await scope.stop();
  }
});
