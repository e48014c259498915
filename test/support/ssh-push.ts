import { createHash } from 'node:crypto';
import { PassThrough } from 'node:stream';
import { deflateSync } from 'node:zlib';
import type { GitalyClient } from '../../src/client/gitaly-client.ts';
import { packet } from '../storage-node/git/pkt-line.ts';
import { eventually } from './eventually.ts';
import { patientMs } from './steady-load.ts';

/** A new branch, and the objects that come with it. */
interface PushedBranch {
  readonly ref: string;
  readonly commit: string;
  /** Default: one that holds nothing, as all is there. */
  readonly pack?: Buffer;
}

/** What came of a push. */
interface PushEnd {
  readonly exitCode: number;
  /** All that git's receive-pack has said. */
  readonly heard: string;
}

/** A push that waits between hearing what there is and saying what it wants. */
export interface BegunPush {
  finish(branch: PushedBranch): Promise<PushEnd>;
}

/** Begins a push over SSH. */
export async function beginPush(
  client: GitalyClient,
  { storageName, relativePath }: { readonly storageName: string; readonly relativePath: string },
): Promise<BegunPush> {
  const stdin = new PassThrough();
  const stdout = new PassThrough();
  let heard = '';
  stdout.on('data', (piece: Buffer) => {
    heard += piece.toString('latin1');
  });
  const whose = { glRepository: 'project-1', glId: 'user-1' };
  const request = { virtualStorage: storageName, relativePath, ...whose };
  const exitCode = client.git.receivePack(request, { stdin, stdout, stderr: new PassThrough() });
  await eventually('it hears what there is', () => heard.endsWith('0000'), patientMs);
  return {
    async finish({ ref, commit, pack = packOf([]) }) {
      const wish = `${'0'.repeat(40)} ${commit} ${ref}\0 report-status`;
      stdin.end(Buffer.concat([packet(wish), Buffer.from('0000'), pack]));
      return { exitCode: await exitCode, heard };
    },
  };
}

/** A commit without files and parents, and a pack with all that it needs. */
export function loneCommit(message: string): { readonly commit: string; readonly pack: Buffer } {
  const tree: GitObject = { type: 'tree', content: Buffer.alloc(0) };
  const who = 'Jane <jane@example.com> 1700000000 +0000';
  const lines = [`tree ${idOf(tree)}`, `author ${who}`, `committer ${who}`, '', message, ''];
  const commit: GitObject = { type: 'commit', content: Buffer.from(lines.join('\n')) };
  return { commit: idOf(commit), pack: packOf([commit, tree]) };
}

interface GitObject {
  readonly type: 'commit' | 'tree';
  readonly content: Buffer;
}

function idOf({ type, content }: GitObject): string {
  return createHash('sha1').update(`${type} ${content.length}\0`).update(content).digest('hex');
}

/** gitformat-pack(5), version 2. */
function packOf(objects: readonly GitObject[]): Buffer {
  const header = Buffer.from('PACK\0\0\0\x02\0\0\0\0');
  header.writeUInt32BE(objects.length, 8);
  const entries = objects.flatMap(({ type, content }) => [
    entryHeader(type, content.length),
    deflateSync(content),
  ]);
  const body = Buffer.concat([header, ...entries]);
  return Buffer.concat([body, createHash('sha1').update(body).digest()]);
}

/** The type and four bits of the length, then seven bits a byte. */
function entryHeader(type: GitObject['type'], length: number): Buffer {
  const octets = [((type === 'commit' ? 1 : 2) << 4) | (length & 0xf)];
  for (let rest = length >>> 4; rest > 0; rest >>>= 7) {
    octets.push((octets.pop() ?? 0) | 0x80, rest & 0x7f);
  }
  return Buffer.from(octets);
}
