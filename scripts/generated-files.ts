import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Where `npm run generate` writes. */
const folders = ['src/gen', 'src/api/generated', 'charts/gitaly-operator/files'];

/** The generated files and the hashes of what is in them. */
export async function generatedFiles(): Promise<ReadonlyMap<string, string>> {
  const hashes = new Map<string, string>();
  for (const folder of folders) {
    for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name);
      hashes.set(
        path,
        createHash('sha256')
          .update(await readFile(path))
          .digest('hex'),
      );
    }
  }
  return hashes;
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
