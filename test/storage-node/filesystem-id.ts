import { randomUUID } from 'node:crypto';
import { readFile, rename, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';

/** Where Gitaly keeps the id of a storage's volume: JSON with one field. */
const fileName = '.gitaly-metadata';

interface Metadata {
  readonly gitaly_filesystem_id?: string;
}

/** Gives a storage that has no id a random one. Whatever is there already stays. */
export async function ensureFilesystemId(root: string): Promise<void> {
  const file = path.join(root, fileName);
  const isThere = await stat(file).then(
    () => true,
    () => false,
  );
  if (isThere) return;
  const metadata: Metadata = { gitaly_filesystem_id: randomUUID() };
  await writeFile(`${file}.new`, `${JSON.stringify(metadata)}\n`);
  await rename(`${file}.new`, file);
}

/** The id, as it is in the file now; empty if that cannot be read. */
export async function readFilesystemId(root: string): Promise<string> {
  try {
    const metadata = JSON.parse(await readFile(path.join(root, fileName), 'utf8')) as Metadata;
    return metadata.gitaly_filesystem_id ?? '';
  } catch {
    return '';
  }
}
