import { cp } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const repositoryRoot = fileURLToPath(new URL('../..', import.meta.url));

/** Some dependencies are CommonJS: they expect its `require` inside the ES module that they end up in. */
const commonJsGlobals = `
import { createRequire as __createRequire } from 'node:module';
import { fileURLToPath as __fileURLToPath } from 'node:url';
import { dirname as __pathDirname } from 'node:path';
const require = __createRequire(import.meta.url);
const __filename = __fileURLToPath(import.meta.url);
const __dirname = __pathDirname(__filename);
`;

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
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    external: ['pg-native'],
    banner: { js: commonJsGlobals },
    logLevel: 'warning',
  });
  if (name === 'proxy') await copyMigrations(outfile);
  return outfile;
}

async function copyMigrations(program: string): Promise<void> {
  const migrations = join(repositoryRoot, 'src/proxy/store/migrations');
  await cp(migrations, join(dirname(program), 'migrations'), { recursive: true });
}
