import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';

/** The bytes of all files below `folder`. Files that vanish meanwhile do not count. */
export async function diskUsage(folder: string): Promise<number> {
  let total = 0;
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) {
    const full = path.join(folder, entry.name);
    if (entry.isDirectory()) total += await diskUsage(full);
    else total += (await stat(full).catch(() => undefined))?.size ?? 0;
  }
  return total;
}
