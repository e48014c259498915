import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';
import { bundleSettings } from '../../scripts/bundle-settings.ts';

/** A change of one file's text, for a bundle that is to be wrong. */
export interface Edit {
  /** From the root of the project. */
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly guard: string;
  readonly without: string;
}

const root = fileURLToPath(new URL('../../', import.meta.url));

/**
 * Bundles the worker with the product's code into one file, which starts at once and runs fastest.
 *
 * @throws Error if the guard of an edit is not in its file
 */
export async function bundleWorker(outfile: string, edits: readonly Edit[] = []): Promise<void> {
  await build({
    entryPoints: [`${root}test/simulation/worker.ts`],
    outfile,
    plugins: [editing(edits)],
    ...bundleSettings,
  });
}

function editing(edits: readonly Edit[]): Plugin {
  return {
    name: 'edits',
    setup({ onLoad }) {
      if (edits.length === 0) return;
      onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        const own = edits.filter(({ file }) => path === root + file);
        if (own.length === 0) return undefined;
        const text = await readFile(path, 'utf8');
        return { contents: own.reduce(apply, text), loader: 'ts' };
      });
    },
  };
}

/** @throws Error unless the guard stands in `text` exactly once */
function apply(text: string, { file, guard, without }: Edit): string {
  const parts = text.split(guard);
  if (parts.length === 2) return parts.join(without);
  throw new Error(
    `the guard stands ${parts.length - 1} times in ${file}: name what guards now in write-mutants.ts or replica-mutants.ts\n${guard}`,
  );
}
