import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ImageArchive } from './base-image.ts';
import { type Cache, hashInputs } from './cache.ts';
import { containerdSeedConfig } from './node-config.ts';
import type { Progress } from './progress.ts';
import { run, runSealed, tryRun } from './run.ts';

const importLimitMs = 180_000;

/**
 * The folder with containerd's data as it is after the import of some images. A new node starts
 * with a copy of it, which takes a moment where imports take many seconds and gigabytes.
 */
export async function containerdSeed(
  source: string,
  cache: Cache,
  images: readonly ImageArchive[],
  progress: Progress,
): Promise<string> {
  const inputs = images.map(({ name, file }) => `${name} ${file}`).join('\n');
  const version = await run('containerd', ['--version']);
  const key = hashInputs({ inputs, version, layout: '1' });
  return cache.get('containerd-seed', key, ({ folder, scratch }) =>
    progress.during('import of the base images', async () => {
      const root = join(folder, 'containerd');
      const config = join(scratch, 'containerd.toml');
      await mkdir(root);
      await writeFile(config, containerdSeedConfig(root));
      const script = join(source, 'seed-containerd.sh');
      const files = images.map(({ file }) => file);
      await runSealed(script, [config, join(scratch, 'log'), ...files], { limitMs: importLimitMs });
    }),
  );
}

/**
 * Copies a seed to where a node's containerd will have its data. Files are shared by hard links
 * where the file system allows it: containerd writes layers and blobs once and then only removes
 * them. Its databases change, so those are real copies.
 */
export async function plantSeed(seed: string, root: string): Promise<void> {
  const source = join(seed, 'containerd');
  const linked = await tryRun('cp', ['--archive', '--link', source, root]);
  if (linked.status !== 0) {
    await run('rm', ['--recursive', '--force', root]);
    await run('cp', ['--archive', '--reflink=auto', source, root], { limitMs: importLimitMs });
    return;
  }
  for (const path of await databases(source)) {
    await run('cp', ['--archive', '--remove-destination', join(source, path), join(root, path)]);
  }
}

/** containerd keeps each in the folder of the plugin that owns it. */
async function databases(root: string): Promise<readonly string[]> {
  const found: string[] = [];
  for (const plugin of await readdir(root)) {
    const files = await readdir(join(root, plugin)).catch(() => []);
    found.push(...files.filter((file) => file.endsWith('.db')).map((file) => join(plugin, file)));
  }
  return found;
}
