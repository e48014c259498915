import { cp } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { bundleSettings } from '../../scripts/bundle-settings.ts';

const repositoryRoot = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Bundles a program of `src/main` into `folder`, as it is now, and returns the file to run. Takes a
 * fraction of a second, and spares each run of the program the compilation.
 */
export async function bundleProgram(name: 'cli' | 'proxy', folder: string): Promise<string> {
  const outfile = join(folder, `${name}.mjs`);
  await build({
    absWorkingDir: repositoryRoot,
    entryPoints: [`src/main/${name}.ts`],
    outfile,
    ...bundleSettings,
  });
  if (name === 'proxy') await copyMigrations(outfile);
  return outfile;
}

async function copyMigrations(program: string): Promise<void> {
  const migrations = join(repositoryRoot, 'src/proxy/store/migrations');
  await cp(migrations, join(dirname(program), 'migrations'), { recursive: true });
}
