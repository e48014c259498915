import { cp } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { bundleSettings } from '../../scripts/bundle-settings.ts';

const repositoryRoot = fileURLToPath(new URL('../..', import.meta.url));

const programs = {
  cli: 'src/main/cli.ts',
  operator: 'src/main/operator.ts',
  proxy: 'src/main/proxy.ts',
  'memory-proxy': 'test/benchmark/relay/memory-proxy.ts',
} as const;

/**
 * Bundles a program into `folder`, as it is now, and returns the file to run. Takes a fraction of a
 * second, and spares each run of the program the compilation.
 */
export async function bundleProgram(name: keyof typeof programs, folder: string): Promise<string> {
  const outfile = join(folder, `${name}.mjs`);
  await build({
    absWorkingDir: repositoryRoot,
    entryPoints: [programs[name]],
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
