import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cp, mkdir, writeFile } from 'node:fs/promises';
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

  /** A copy at `target` with `refs/heads/big` as well: one file of 8 MiB that does not compress. */
  async copyWithBigFile(target: string): Promise<void> {
    await this.copy(target);
    const digests = Array.from({ length: 262_144 }, (_, i) =>
      createHash('sha256').update(String(i)).digest(),
    );
    const file = path.join(this.#folder, 'big.bin');
    await writeFile(file, Buffer.concat(digests));
    const write = async (args: string[], input: string) => {
      const child = run('git', ['-C', target, ...args]);
      child.child.stdin?.end(input);
      return (await child).stdout.trim();
    };
    const blob = await write(['hash-object', '-w', file], '');
    const tree = await write(['mktree'], `100644 blob ${blob}\tbig.bin\n`);
    const commit = [
      `tree ${tree}`,
      'author A U Thor <author@example.com> 1700000700 +0000',
      'committer C O Mitter <committer@example.com> 1700000700 +0000',
      '\nbig\n',
    ].join('\n');
    const id = await write(['hash-object', '-t', 'commit', '-w', '--stdin'], commit);
    await run('git', ['-C', target, 'update-ref', 'refs/heads/big', id]);
  }

  /** A fresh copy at `target`. */
  async copy(target: string): Promise<void> {
    await mkdir(path.dirname(target), { recursive: true });
    await cp(path.join(this.#folder, 'template.git'), target, { recursive: true });
  }
}

/** Runs git in a repository; what it writes. */
export async function runGit(repository: string, ...args: readonly string[]): Promise<string> {
  return (await run('git', ['-C', repository, ...args])).stdout;
}

/** Makes the references of a repository what the recordings say they were before a case. */
export async function setReferences(repository: string, wanted: readonly string[]): Promise<void> {
  const current = await readReferences(repository);
  if (typeof current === 'string') throw new Error(`${repository}: ${current}`);
  for (const line of current.filter((line) => !wanted.includes(line))) {
    const [id = '', name = ''] = line.split(' ');
    if (id !== 'HEAD:') await runGit(repository, 'update-ref', '-d', name);
  }
  for (const line of wanted.filter((line) => !current.includes(line))) {
    const [id = '', name = '', target = ''] = line.split(' ');
    if (id === 'HEAD:') await runGit(repository, 'symbolic-ref', 'HEAD', target);
    else await runGit(repository, 'update-ref', name, id);
  }
}

/** The references of a repository in the form of the recordings; what they say if there is none. */
export async function readReferences(repository: string): Promise<readonly string[] | string> {
  try {
    const format = '--format=%(objectname) %(refname)';
    const references = (await runGit(repository, 'for-each-ref', format))
      .split('\n')
      .filter(Boolean);
    const head = (await runGit(repository, 'symbolic-ref', 'HEAD')).trim();
    return [...references, `HEAD: ref: ${head}`];
  } catch {
    return 'no repository on disk';
  }
}
