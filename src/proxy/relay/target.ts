import { statusCodes } from '../../rpc/status.ts';
import { readTarget, rewriteRepository, type RepositoryTarget } from '../routing/first-message.ts';
import type { MethodInfo } from '../routing/method-table.ts';
import { LocalCallError } from './local-method.ts';
import type { ServerCall } from './server-call.ts';

/** Length of the prefix of a gRPC message: a flag and four bytes of length. */
const prefixBytes = 5;

/**
 * The repository that a call is about.
 *
 * @throws LocalCallError INVALID_ARGUMENT with the text that Gitaly's clients know
 */
export function readRepository(call: ServerCall, method: MethodInfo): RepositoryTarget {
  const target = readTarget(call.firstMessage, method);
  if (target.kind === 'malformed') {
    throw new LocalCallError(statusCodes.INTERNAL, `the request cannot be read: ${target.reason}`);
  }
  if (target.kind === 'missing' || (target.storage === '' && target.relativePath === '')) {
    throw new LocalCallError(statusCodes.INVALID_ARGUMENT, 'repository not set');
  }
  if (target.storage === '') {
    throw new LocalCallError(statusCodes.INVALID_ARGUMENT, 'storage name not set');
  }
  if (target.relativePath === '') {
    throw new LocalCallError(statusCodes.INVALID_ARGUMENT, 'repository path not set');
  }
  return target;
}

/** The first message for one storage, with its prefix. */
export function rewriteFor(
  call: ServerCall,
  method: MethodInfo,
  target: { readonly storage: string; readonly relativePath: string },
  additionalPath?: string,
): Buffer {
  const additional =
    additionalPath === undefined
      ? undefined
      : { storage: target.storage, relativePath: additionalPath };
  const message = rewriteRepository(call.firstMessage, method, target, additional, prefixBytes);
  message[0] = 0;
  message.writeUInt32BE(message.length - prefixBytes, 1);
  return message;
}

export function repositoryNotFound(): LocalCallError {
  return new LocalCallError(statusCodes.NOT_FOUND, 'repository not found');
}
