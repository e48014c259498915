import { PassThrough, Readable } from 'node:stream';
import type { GitalyClient } from '../../src/client/gitaly-client.ts';
import { eventually } from './eventually.ts';

/** Git begins to send when it has counted and compressed, which takes seconds on a busy machine. */
const limitMs = 60_000;

/** A fetch of which nobody reads the output for now. */
export interface StalledFetch {
  /** Settles as `client.git.uploadPack` does. */
  readonly ended: Promise<number>;
  /** Reads the rest. */
  resume(): void;
  /** The client goes away. */
  cancel(): void;
}

/**
 * Fetches a commit with all that it needs, and stops reading. Resolves when that holds up the client;
 * the repository has to be larger than everything that buffers on the way hold.
 */
export async function startStalledFetch(
  client: GitalyClient,
  relativePath: string,
  commit: string,
): Promise<StalledFetch> {
  const request = { virtualStorage: 'default', relativePath, glRepository: 'project-1' };
  const aborter = new AbortController();
  const stdout = new PassThrough();
  const wants = `${packet(`want ${commit} side-band-64k\n`)}0000${packet('done\n')}`;
  const streams = { stdin: Readable.from([Buffer.from(wants)]), stdout, stderr: new PassThrough() };
  const ended = client.git.uploadPack(request, streams, aborter.signal);
  await Promise.race([
    eventually('the output has filled up', () => stdout.writableNeedDrain, limitMs),
    ended.then((exitCode) => Promise.reject(new Error(`git has ended with ${exitCode} already`))),
  ]);
  return { ended, resume: () => stdout.resume(), cancel: () => aborter.abort() };
}

/** Git's pkt-line. */
function packet(text: string): string {
  return (text.length + 4).toString(16).padStart(4, '0') + text;
}
