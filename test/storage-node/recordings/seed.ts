import { execFile } from 'node:child_process';
import { cp, mkdir } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The repository that the recorded cases work on, made with the recordings' own script. */
export class Seed {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async make(recordings: string, folder: string): Promise<Seed> {
    await mkdir(folder, { recursive: true });
    for (const file of ['seed.sh', 'seed.fast-import']) {
      await cp(path.join(recordings, file), path.join(folder, file));
    }
    await run('bash', ['seed.sh'], { cwd: folder });
    return new Seed(folder);
  }

  /** A fresh copy at `target`. */
  async copy(target: string): Promise<void> {
    await mkdir(path.dirname(target), { recursive: true });
    await cp(path.join(this.#folder, 'template.git'), target, { recursive: true });
  }
}

/** The references of a repository in the form of the recordings; what they say if there is none. */
export async function readReferences(repository: string): Promise<readonly string[] | string> {
  try {
    const git = (...args: string[]) => run('git', ['-C', repository, ...args]);
    const format = '--format=%(objectname) %(refname)';
    const references = (await git('for-each-ref', format)).stdout.split('\n').filter(Boolean);
    const head = (await git('symbolic-ref', 'HEAD')).stdout.trim();
    return [...references, `HEAD: ref: ${head}`];
  } catch {
    return 'no repository on disk';
  }
}
