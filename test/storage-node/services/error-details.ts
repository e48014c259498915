import { create, type DescMessage, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { Code, RpcError, type StatusDetail } from '../grpc/status.ts';

/** A message as a detail of a status. */
export function detail<D extends DescMessage>(type: D, message: MessageInitShape<D>): StatusDetail {
  return { typeName: type.typeName, value: toBinary(type, create(type, message)) };
}

/** NOT_FOUND with a gitaly.ReferenceNotFoundError (reference_name = 1). */
export function referenceNotFound(doing: string, revision: string): RpcError {
  const value = new BinaryWriter().tag(1, WireType.LengthDelimited).string(revision).finish();
  const details = [{ typeName: 'gitaly.ReferenceNotFoundError', value }];
  return new RpcError(Code.NOT_FOUND, `${doing}: reference not found`, details);
}
