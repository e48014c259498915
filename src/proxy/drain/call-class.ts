import { lookupMethod } from '../routing/method-table.ts';
import type { CallClass } from '../store/drain-board.ts';

/** Methods with which git fetches: they take as long as the client's line does. */
const fetches: ReadonlySet<string> = new Set([
  '/gitaly.SSHService/SSHUploadPack',
  '/gitaly.SSHService/SSHUploadPackWithSidechannel',
  '/gitaly.SSHService/SSHUploadArchive',
  '/gitaly.SmartHTTPService/PostUploadPack',
  '/gitaly.SmartHTTPService/PostUploadPackWithSidechannel',
]);

const pushes: ReadonlySet<string> = new Set([
  '/gitaly.SSHService/SSHReceivePack',
  '/gitaly.SmartHTTPService/PostReceivePack',
]);

/**
 * What kind of time a call takes. A fetch and a push take what the client's line needs; a stream goes on
 * until all is read; everything else is done as fast as the storage can.
 *
 * @param path `/package.Service/Method`
 */
export function callClassOf(path: string): CallClass {
  if (fetches.has(path)) return 'fetch';
  if (pushes.has(path)) return 'push';
  const { op, known, answersOnce } = lookupMethod(path);
  return known && op === 'accessor' && answersOnce !== true ? 'stream' : 'unary';
}
