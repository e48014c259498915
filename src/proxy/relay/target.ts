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
  const target = readCallTarget(call, method);
  if (target === undefined) throw notSet('repository');
  checkNames(target.storage, target.relativePath);
  return target;
}

/**
 * What a call is about, as its first message names it; undefined if it names nothing.
 *
 * @throws LocalCallError INTERNAL if the message is damaged
 */
export function readCallTarget(call: ServerCall, method: MethodInfo): RepositoryTarget | undefined {
  const target = readTarget(call.firstMessage, method);
  if (target.kind === 'malformed') {
    throw new LocalCallError(statusCodes.INTERNAL, `the request cannot be read: ${target.reason}`);
  }
  return target.kind === 'missing' ? undefined : target;
}

/**
 * Checks that a repository is named.
 *
 * @throws LocalCallError INVALID_ARGUMENT with the text that Gitaly's clients know
 */
export function checkNames(storage: string, relativePath: string): void {
  if (storage === '' && relativePath === '') throw notSet('repository');
  if (storage === '') throw notSet('storage name');
  if (relativePath === '') throw notSet('repository path');
}

function notSet(what: string): LocalCallError {
  return new LocalCallError(statusCodes.INVALID_ARGUMENT, `${what} not set`);
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
