import type { Readable, Writable } from 'node:stream';
import type { Environment } from './connection.ts';

/** What the command line reads and writes, so that tests can put their own in place. */
export interface CliIo {
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
  readonly env: Environment;
}
