import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

const filesPerMiB = 8;
const fileBytes = (1024 * 1024) / filesPerMiB;
const committer = 'Jane <jane@example.com> 1700000000 +0000';

/**
 * One commit with so many MiB, in files that no compression makes smaller. There are enough of them for
 * git to keep the pack that it gets (`transfer.unpackLimit`): in a pack it does not look for deltas again.
 */
export function* incompressibleCommit(sizeMiB: number): Generator<Buffer> {
  yield* commitHead('a lot');
  for (let index = 0; index < sizeMiB * filesPerMiB; index++) {
    yield Buffer.from(`M 100644 inline file-${index}\ndata ${fileBytes}\n`);
    yield randomBytes(fileBytes);
    yield Buffer.from('\n');
  }
}

/** So many commits, one after the other, each of which changes one small file. */
export function* manyCommits(count: number): Generator<Buffer> {
  for (let index = 0; index < count; index++) {
    yield* commitHead(`change ${index}`);
    yield Buffer.from(`M 100644 inline file-${index % 100}\n`);
    yield* data(`content ${index}\n`);
  }
}

/** Makes what `git fast-import` reads into the branch `main` of a repository. */
export async function importHistory(repository: string, history: Iterable<Buffer>): Promise<void> {
  const args = ['-C', repository, '-c', 'core.compression=0', 'fast-import', '--quiet'];
  const git = spawn('git', args, { stdio: ['pipe', 'inherit', 'inherit'] });
  const closed = once(git, 'close');
  await pipeline(Readable.from(history), git.stdin);
  const [exitCode] = (await closed) as [number | null];
  if (exitCode !== 0) throw new Error(`git fast-import ended with ${exitCode}`);
}

function* commitHead(message: string): Generator<Buffer> {
  yield Buffer.from(`commit refs/heads/main\ncommitter ${committer}\n`);
  yield* data(message);
}

function* data(text: string): Generator<Buffer> {
  yield Buffer.from(`data ${Buffer.byteLength(text)}\n${text}\n`);
}
