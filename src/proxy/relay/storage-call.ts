import { pick } from '../../base/random.ts';
import { statusCodes } from '../../rpc/status.ts';
import type { MethodInfo } from '../routing/method-table.ts';
import type { VirtualStorage } from '../upstream/storage-directory.ts';
import type { RelayContext } from './context.ts';
import { LocalCallError } from './local-method.ts';
import { ReadCall } from './read-call.ts';
import type { ServerCall } from './server-call.ts';
import { readCallTarget, rewriteFor } from './target.ts';

/**
 * Forwards a call about a storage as a whole: any storage of the virtual storage may answer it.
 *
 * @throws LocalCallError with the texts of Praefect, where they say what is wrong
 */
export function forwardToStorage(
  call: ServerCall,
  method: MethodInfo,
  context: RelayContext,
): void {
  if (method.op !== 'accessor') {
    throw new LocalCallError(
      statusCodes.UNIMPLEMENTED,
      `${method.name} changes one storage and is not served for a virtual storage`,
    );
  }
  const target = readCallTarget(call, method);
  if (target === undefined) throw invalid('storage scoped: target storage field not found');
  if (target.storage === '') throw invalid('storage scoped: target storage is invalid');
  const virtualStorage = context.storages.get(target.storage);
  if (virtualStorage === undefined) throw invalid('virtual storage does not exist');
  call.trace.virtualStorage = virtualStorage.name;
  readFromAnyStorage(call, method, { virtualStorage, relativePath: '', context });
}

/** Forwards a read to a storage chosen at random among the healthy ones, and to another if it fails. */
export function readFromAnyStorage(
  call: ServerCall,
  method: MethodInfo,
  options: {
    readonly virtualStorage: VirtualStorage;
    /** Of the repository that the storage is to be told, if the call names one. */
    readonly relativePath: string;
    readonly context: RelayContext;
  },
): void {
  const { virtualStorage, relativePath, context } = options;
  const name = JSON.stringify(virtualStorage.name);
  new ReadCall({
    call,
    virtualStorage,
    context,
    route: (excluded) => {
      const usable = [...virtualStorage.nodes().values()].filter(
        (node) => node.healthy && !excluded.has(node.storage),
      );
      const staying = usable.filter((node) => node.isDraining !== true);
      const node = pick(context.random, staying.length > 0 ? staying : usable);
      if (node !== undefined) return { kind: 'read', storage: node.storage };
      const reason = `accessor storage scoped: route storage accessor ${name}: no healthy nodes`;
      return { kind: 'unavailable', reason };
    },
    weightOfError: () => 'stands',
    answersOnce: method.answersOnce === true,
    rewrite: (storage) => rewriteFor(call, method, { storage, relativePath }),
  }).start();
}

function invalid(message: string): LocalCallError {
  return new LocalCallError(statusCodes.INVALID_ARGUMENT, message);
}
