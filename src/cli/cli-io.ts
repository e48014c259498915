import type { Readable, Writable } from 'node:stream';
import type { GitalyClientOptions } from '../client/gitaly-client.ts';
import type { Environment } from './connection.ts';

/** What the command line gets from outside, so that tests can put their own in place. */
export interface CliIo {
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
  readonly env: Environment;
  /** Default: what the client has by itself. */
  readonly client?: Pick<GitalyClientOptions, 'connectLimitMs'>;
}
