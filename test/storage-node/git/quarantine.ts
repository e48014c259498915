import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';

/** A folder for objects that do not belong to the repository yet. A crash leaves it behind, harmless. */
export class ObjectQuarantine {
  readonly objects: string;
  readonly alternates: readonly string[];
  readonly #target: string;

  private constructor(objects: string, target: string) {
    this.objects = objects;
    this.#target = target;
    this.alternates = [target];
  }

  /** Git takes folders with this prefix for its own quarantines, and prunes them when they are old. */
  static async create(repository: string): Promise<ObjectQuarantine> {
    const target = path.join(repository, 'objects');
    return new ObjectQuarantine(await mkdtemp(path.join(target, 'tmp_objdir-node-')), target);
  }

  /** What git needs in its environment to write here and to read both. */
  get environment(): Record<string, string> {
    return {
      GIT_OBJECT_DIRECTORY: this.objects,
      GIT_ALTERNATE_OBJECT_DIRECTORIES: this.#target,
    };
  }

  /** Moves all loose objects into the repository. */
  async migrate(): Promise<void> {
    for (const prefix of await readdir(this.objects)) {
      if (!/^[0-9a-f]{2}$/.test(prefix)) continue;
      await mkdir(path.join(this.#target, prefix), { recursive: true });
      for (const name of await readdir(path.join(this.objects, prefix))) {
        await rename(path.join(this.objects, prefix, name), path.join(this.#target, prefix, name));
      }
    }
  }

  /** Removes what was not moved. */
  async remove(): Promise<void> {
    await rm(this.objects, { recursive: true, force: true });
  }
}
