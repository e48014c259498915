import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Cache, filesBelow, hashInputs } from './cache.ts';

describe('the cache', () => {
  let root: string;
  let cache: Cache;

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'testbed-cache-'));
    cache = new Cache(root);
  });
  afterEach(() => rm(root, { recursive: true }));

  const key = hashInputs({ version: '1' });

  it('builds once and finds the result again', async () => {
    let builds = 0;
    const build = async ({ folder }: { folder: string }) => {
      builds += 1;
      await writeFile(join(folder, 'result'), 'built');
    };
    const first = await cache.get('thing', key, build);
    expect(await cache.get('thing', key, build)).toBe(first);
    expect(await readFile(join(first, 'result'), 'utf8')).toBe('built');
    expect(builds).toBe(1);
  });

  it('keeps nothing of a build that failed, and builds anew', async () => {
    const failing = cache.get('thing', key, async ({ folder, scratch }) => {
      await writeFile(join(folder, 'half'), '');
      await writeFile(join(scratch, 'other half'), '');
      throw new Error('no luck');
    });
    await expect(failing).rejects.toThrow('no luck');
    expect(await cache.has('thing', key)).toBe(false);

    const folder = await cache.get('thing', key, async ({ folder, scratch }) => {
      expect(await readdir(folder)).toEqual([]);
      expect(await readdir(scratch)).toEqual([]);
    });
    expect(await readdir(folder)).toEqual([]);
  });

  it('leaves no scratch behind', async () => {
    await cache.get('thing', key, ({ scratch }) => writeFile(join(scratch, 'chips'), ''));
    expect(await readdir(root)).toEqual([`thing-${key}`]);
  });

  it('removes what dead builds left, and nothing else', async () => {
    await cache.get('thing', key, async () => {});
    const dying = cache.get('other', key, () => Promise.reject(new Error('killed')));
    await expect(dying).rejects.toThrow('killed');
    expect((await readdir(root)).length).toBeGreaterThan(1);
    await cache.removeUnfinished();
    expect(await readdir(root)).toEqual([`thing-${key}`]);
  });

  it('drops old versions of a thing but not other things with a longer name', async () => {
    await cache.get('thing-else', key, async () => {});
    for (const version of ['1', '2', '3', '4']) {
      await cache.get('thing', hashInputs({ version }), async () => {});
    }
    const left = await readdir(root);
    expect(left).toContain(`thing-else-${key}`);
    expect(left).toContain(`thing-${hashInputs({ version: '4' })}`);
    expect(left).toHaveLength(3);
  });

  it('keeps the version that it has just built, also if the clock went back', async () => {
    for (const version of ['1', '2', '3']) {
      const folder = await cache.get('thing', hashInputs({ version }), async () => {});
      const later = new Date(Date.now() + 60_000);
      await utimes(folder, later, later);
    }
    expect(await cache.has('thing', hashInputs({ version: '3' }))).toBe(true);
  });

  it('lists files below a folder by their path in it', async () => {
    const folder = await cache.get('tree', key, ({ folder }) =>
      writeFile(join(folder, 'leaf'), 'x'),
    );
    const files = await filesBelow(root);
    expect(Object.keys(files)).toEqual([`${folder.slice(root.length + 1)}/leaf`]);
  });
});
