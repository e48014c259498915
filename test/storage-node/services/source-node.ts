import type { CallContext } from '../grpc/server-call.ts';
import { Code, RpcError } from '../grpc/status.ts';

/** Where another node is, and the secret to call it. */
export interface SourceNode {
  readonly address: string;
  readonly token: string;
}

/**
 * Looks a storage up in metadata `gitaly-servers`: base64 of JSON, by storage name.
 *
 * @throws RpcError with Gitaly's texts
 */
export function sourceNode(call: CallContext, storage: string): SourceNode {
  const header = call.metadata.get('gitaly-servers');
  if (header === undefined) throw internal('empty gitaly-servers metadata');
  const node = parse(header)[storage];
  if (!node || node.address === '') throw internal('storage name not found');
  return node;
}

function parse(header: string): Record<string, SourceNode> {
  try {
    return JSON.parse(Buffer.from(header, 'base64').toString()) as Record<string, SourceNode>;
  } catch {
    throw internal('failed decoding gitaly-servers metadata');
  }
}

function internal(text: string): RpcError {
  return new RpcError(Code.INTERNAL, `new client: ${text}`);
}
