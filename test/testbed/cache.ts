import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';

/** How many versions of one thing stay: enough to switch between branches without rebuilding. */
const defaultKeptVersions = 2;

/**
 * The key of some inputs: equal inputs give equal keys, in whatever order they are named, and no
 * two different sets of named inputs are confused with each other.
 */
export function hashInputs(inputs: Readonly<Record<string, string | Buffer>>): string {
  const hash = createHash('sha256');
  for (const name of Object.keys(inputs).sort()) {
    const content = Buffer.from(inputs[name] ?? '');
    // Lengths go in too, so that text can't move from one input to the next unseen.
    hash.update(`${Buffer.byteLength(name)} ${content.length} ${name}`).update(content);
  }
  return hash.digest('hex').slice(0, 16);
}

/** The files below a folder, by their path in it: inputs for {@link hashInputs}. */
export async function filesBelow(folder: string): Promise<Record<string, Buffer>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const pairs = files.map(async (file): Promise<[string, Buffer]> => {
    const path = join(file.parentPath, file.name);
    return [path.slice(folder.length + 1), await readFile(path)];
  });
  return Object.fromEntries(await Promise.all(pairs));
}

/** What a build works in. Both are empty at first. */
export interface BuildFolders {
  /** Holds the result. */
  readonly folder: string;
  /** For what is needed on the way; removed with all that is in it. */
  readonly scratch: string;
}

/** Folders that are built once for each key, and found again. */
export class Cache {
  readonly #root: string;
  readonly #keptVersions: number;

  /** `keptVersions`: how many versions of one thing stay; those not asked for longest go first. */
  constructor(root: string, keptVersions = defaultKeptVersions) {
    this.#root = root;
    this.#keptVersions = keptVersions;
  }

  /**
   * The folder of `name` with this key. `build` makes it if there is none. A build that fails
   * or dies leaves nothing that a later call takes for a result.
   */
  async get(
    name: string,
    key: string,
    build: (folders: BuildFolders) => Promise<void>,
  ): Promise<string> {
    const folder = this.path(name, key);
    if (await this.has(name, key)) {
      const now = new Date();
      await utimes(folder, now, now);
      return folder;
    }
    const unfinished = join(this.#root, `unfinished-${name}-${key}`);
    const scratch = `${unfinished}-scratch`;
    for (const path of [unfinished, scratch]) {
      await rm(path, { recursive: true, force: true });
      await mkdir(path, { recursive: true });
    }
    await build({ folder: unfinished, scratch });
    await rename(unfinished, folder);
    await rm(scratch, { recursive: true, force: true });
    await this.#prune(name, key);
    return folder;
  }

  /** Whether {@link get} would build nothing. */
  async has(name: string, key: string): Promise<boolean> {
    return stat(this.path(name, key)).then(
      () => true,
      () => false,
    );
  }

  /** Where {@link get} puts its result. */
  path(name: string, key: string): string {
    return join(this.#root, `${name}-${key}`);
  }

  /** Removes what builds that died have left. Only when no other build can be running. */
  async removeUnfinished(): Promise<void> {
    for (const entry of await readdir(this.#root).catch(() => [])) {
      if (entry.startsWith('unfinished-')) {
        await rm(join(this.#root, entry), { recursive: true, force: true });
      }
    }
  }

  /** Keeps that version whatever the dates say: those of folders that were made at once are equal. */
  async #prune(name: string, key: string): Promise<void> {
    const others = new RegExp(`^${name}-(?!${key}$)[0-9a-f]{16}$`);
    const versions = (await readdir(this.#root)).filter((entry) => others.test(entry));
    const dated = await Promise.all(
      versions.map(async (entry) => {
        const path = join(this.#root, entry);
        return { path, usedMs: (await stat(path)).mtimeMs };
      }),
    );
    const stale = dated.sort((a, b) => b.usedMs - a.usedMs).slice(this.#keptVersions - 1);
    await Promise.all(stale.map(({ path }) => rm(path, { recursive: true, force: true })));
  }
}
