import type { VirtualStorage } from '../upstream/storage-directory.ts';
import type { HeaderField } from '../wire/hpack/header-field.ts';
import { upstreamHeaders, type CallHead } from './call-head.ts';
import type { ServerCall } from './server-call.ts';

/** The request headers with which a client's call goes on to one storage of a virtual storage. */
export function storageHeaders(
  call: ServerCall,
  virtualStorage: VirtualStorage,
  storage: string,
  options: {
    /** In place of the client's own. */
    readonly head?: CallHead | undefined;
    /** Further fields, like a transaction's. */
    readonly extra?: readonly HeaderField[];
  } = {},
): readonly HeaderField[] {
  const { head = call.head, extra = [] } = options;
  return upstreamHeaders({
    head,
    authority: virtualStorage.authorityOf(storage),
    authorization: virtualStorage.authorization(storage),
    virtualStorage: virtualStorage.field,
    timeoutMs: call.remainingMs,
    extra,
  });
}
