import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { run } from './run.ts';
import { blobOf, type TarEntry, treeEntries, writeTar } from './tar.ts';

describe('an archive', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'testbed-tar-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  const entries: readonly TarEntry[] = [
    { kind: 'directory', path: 'app' },
    { kind: 'file', path: 'app/main', mode: 0o755, owner: 7, content: 'x'.repeat(513) },
    { kind: 'symlink', path: 'app/link', target: 'main' },
  ];

  it('is read by tar as it was written', async () => {
    const archive = join(folder, 'a.tar');
    await writeTar(archive, entries);
    const listing = await run('tar', ['--numeric-owner', '-tvf', archive], { env: { TZ: 'UTC' } });
    expect(listing.split('\n').map((line) => line.replace(/ +/g, ' '))).toEqual([
      'drwxr-xr-x 0/0 0 1970-01-01 00:00 app/',
      '-rwxr-xr-x 7/7 513 1970-01-01 00:00 app/main',
      'lrwxrwxrwx 0/0 0 1970-01-01 00:00 app/link -> main',
      '',
    ]);
    expect(await run('tar', ['-xOf', archive, 'app/main'])).toBe('x'.repeat(513));
  });

  it('is known by the hash and size of its bytes', async () => {
    const archive = join(folder, 'a.tar');
    const blob = await writeTar(archive, entries);
    const bytes = await readFile(archive);
    const digest = createHash('sha256').update(bytes).digest('hex');
    expect(blob).toEqual({ digest: `sha256:${digest}`, size: bytes.length });
    expect(await blobOf(archive)).toEqual(blob);
  });

  it('of a folder depends on names, contents and what can be run, and on nothing else', async () => {
    const make = async (name: string, mode: number) => {
      const tree = join(folder, name);
      await mkdir(join(tree, 'b'), { recursive: true });
      await writeFile(join(tree, 'b', 'script'), 'echo');
      await chmod(join(tree, 'b', 'script'), mode);
      await symlink('b', join(tree, 'a'));
      return writeTar(`${tree}.tar`, await treeEntries(tree, 'tree'));
    };
    const first = await make('first', 0o700);
    expect(await make('second', 0o755)).toEqual(first);
    expect(await make('third', 0o644)).not.toEqual(first);
  });

  it('notices a file that changed while it was read', async () => {
    const from = join(folder, 'file');
    await writeFile(from, 'longer than promised');
    const size = (await stat(from)).size - 1;
    const writing = writeTar(join(folder, 'a.tar'), [{ kind: 'copy', path: 'file', from, size }]);
    await expect(writing).rejects.toThrow('changed');
  });
});
