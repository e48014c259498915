import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Where `npm run generate` writes. */
const folders = ['src/gen', 'src/api/generated', 'charts/gitaly-operator/files'];

/** Generated files beside others. */
const files = ['docs/api.md'];

/** The generated files and the hashes of what is in them. */
export async function generatedFiles(): Promise<ReadonlyMap<string, string>> {
  const paths = [...files];
  for (const folder of folders) {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    const inFolder = entries.filter((entry) => entry.isFile());
    paths.push(...inFolder.map((entry) => join(entry.parentPath, entry.name)));
  }
  const hashes = paths.map(async (path) => {
    const content = await readFile(path);
    return [path, createHash('sha256').update(content).digest('hex')] as const;
  });
  return new Map(await Promise.all(hashes));
}

/** Files that are not the same before and after, sorted. */
export function staleFiles(
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): readonly string[] {
  return [...new Set([...before.keys(), ...after.keys()])]
    .filter((path) => before.get(path) !== after.get(path))
    .toSorted();
}
