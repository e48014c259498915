import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, lstat, open, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';

/** A member of an archive. Paths are relative, without a leading `./`. */
export type TarEntry = {
  readonly path: string;
  /** Owner and group. Default 0. */
  readonly owner?: number;
} & (
  | { readonly kind: 'directory'; readonly mode?: number }
  | { readonly kind: 'file'; readonly mode?: number; readonly content: Buffer | string }
  | { readonly kind: 'copy'; readonly mode?: number; readonly from: string; readonly size: number }
  | { readonly kind: 'symlink'; readonly target: string }
);

/** A file by its content. */
export interface Blob {
  /** `sha256:` and hex. */
  readonly digest: string;
  /** In bytes. */
  readonly size: number;
}

const blockSize = 512;
const typeFlags = { directory: '5', file: '0', copy: '0', symlink: '2' } as const;
const defaultModes = { directory: 0o755, file: 0o644, copy: 0o644, symlink: 0o777 } as const;

/**
 * Writes an uncompressed archive (POSIX ustar) and returns what it is by content. Entries go in
 * as given, with no times and no names of users: equal entries make equal archives.
 */
export async function writeTar(path: string, entries: Iterable<TarEntry>): Promise<Blob> {
  const sink = new HashingSink(await open(path, 'w'));
  try {
    for (const entry of entries) {
      await sink.write(tarHeader(entry));
      if (entry.kind === 'file') await sink.write(Buffer.from(entry.content));
      if (entry.kind === 'copy') await copyFrom(entry.from, entry.size, sink);
      await sink.write(padding(sizeOf(entry)));
    }
    await sink.write(Buffer.alloc(2 * blockSize));
  } finally {
    await sink.close();
  }
  return sink.blob();
}

/** The 512 bytes before a member's content (POSIX.1-1988 ustar). Throws on a path too long for it. */
export function tarHeader(entry: TarEntry): Buffer {
  const header = Buffer.alloc(blockSize);
  const path = entry.kind === 'directory' ? `${entry.path}/` : entry.path;
  const { prefix, name } = splitPath(path);
  const octal = (value: number, at: number, length: number) =>
    header.write(value.toString(8).padStart(length - 1, '0'), at, 'ascii');
  const mode = entry.kind === 'symlink' ? undefined : entry.mode;

  header.write(name, 0);
  octal(mode ?? defaultModes[entry.kind], 100, 8);
  octal(entry.owner ?? 0, 108, 8);
  octal(entry.owner ?? 0, 116, 8);
  octal(sizeOf(entry), 124, 12);
  octal(0, 136, 12); // the time of last change
  header.write(' '.repeat(8), 148); // the checksum counts itself as blanks
  header.write(typeFlags[entry.kind], 156);
  if (entry.kind === 'symlink') header.write(checkedTarget(entry.target), 157);
  header.write('ustar\u000000', 257);
  header.write(prefix, 345);

  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'ascii');
  return header;
}

/**
 * Everything below a folder, sorted, as entries below `prefix`. Owners become root and modes
 * become 0755 or 0644, so that the result doesn't depend on how the folder came to be.
 */
export async function treeEntries(folder: string, prefix: string): Promise<readonly TarEntry[]> {
  const entries: TarEntry[] = [{ kind: 'directory', path: prefix }];
  for (const name of (await readdir(folder)).sort()) {
    const from = join(folder, name);
    const path = `${prefix}/${name}`;
    const stats = await lstat(from);
    if (stats.isDirectory()) entries.push(...(await treeEntries(from, path)));
    else if (stats.isSymbolicLink()) {
      entries.push({ kind: 'symlink', path, target: await readlink(from) });
    } else {
      const mode = (stats.mode & 0o111) === 0 ? 0o644 : 0o755;
      entries.push({ kind: 'copy', path, mode, from, size: stats.size });
    }
  }
  return entries;
}

/** Hashes a file. */
export async function blobOf(path: string): Promise<Blob> {
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    hash.update(chunk);
    size += chunk.length;
  }
  return { digest: `sha256:${hash.digest('hex')}`, size };
}

function sizeOf(entry: TarEntry): number {
  if (entry.kind === 'file') return Buffer.byteLength(entry.content);
  return entry.kind === 'copy' ? entry.size : 0;
}

/** A ustar path has up to 100 bytes of name and 155 of folders before it. */
function splitPath(path: string): { readonly prefix: string; readonly name: string } {
  if (Buffer.byteLength(path) <= 100) return { prefix: '', name: path };
  for (let at = path.indexOf('/'); at > 0; at = path.indexOf('/', at + 1)) {
    const prefix = path.slice(0, at);
    const name = path.slice(at + 1);
    if (name !== '' && Buffer.byteLength(name) <= 100 && Buffer.byteLength(prefix) <= 155) {
      return { prefix, name };
    }
  }
  throw new Error(`path is too long for a tar archive: ${path}`);
}

function checkedTarget(target: string): string {
  if (Buffer.byteLength(target) > 100) throw new Error(`link target is too long: ${target}`);
  return target;
}

function padding(size: number): Buffer {
  return Buffer.alloc((blockSize - (size % blockSize)) % blockSize);
}

async function copyFrom(path: string, size: number, sink: HashingSink): Promise<void> {
  let copied = 0;
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    await sink.write(chunk);
    copied += chunk.length;
  }
  if (copied !== size) throw new Error(`${path} changed while it was read`);
}

class HashingSink {
  readonly #file: FileHandle;
  readonly #hash = createHash('sha256');
  #size = 0;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  async write(bytes: Buffer): Promise<void> {
    this.#hash.update(bytes);
    this.#size += bytes.length;
    await this.#file.write(bytes);
  }

  blob(): Blob {
    return { digest: `sha256:${this.#hash.digest('hex')}`, size: this.#size };
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}
