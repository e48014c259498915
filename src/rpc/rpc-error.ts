import { fromBinary, type DescMessage, type MessageShape } from '@bufbuild/protobuf';
import { anyUnpack, type Any } from '@bufbuild/protobuf/wkt';
import { Metadata } from '@grpc/grpc-js';
import { errorMessage } from '../base/errors.ts';
import { StatusSchema } from '../gen/google/rpc/status_pb.ts';
import { statusCodes, statusName, toStatusCode, type StatusCode } from './status.ts';

/** A call that ended with another status than OK. The message is the server's text. */
export class RpcError extends Error {
  readonly code: StatusCode;
  /** What the server added to the status; see {@link findDetail}. */
  readonly details: readonly Any[];

  constructor(code: StatusCode, message: string, details: readonly Any[] = [], cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'RpcError';
    this.code = code;
    this.details = details;
  }

  /**
   * True if the same call may succeed when it is made again. Whether it may be made again is for
   * the caller to know: a write that ended UNAVAILABLE may have happened.
   */
  get retryable(): boolean {
    return this.code === statusCodes.UNAVAILABLE || this.code === statusCodes.ABORTED;
  }

  override toString(): string {
    return `${statusName(this.code)}: ${this.message}`;
  }

  /** Anything that was thrown, as an RpcError. What is not of gRPC becomes UNKNOWN. */
  static from(thrown: unknown): RpcError {
    if (thrown instanceof RpcError) return thrown;
    if (isStatus(thrown)) return errorOfStatus(thrown);
    return new RpcError(statusCodes.UNKNOWN, errorMessage(thrown), [], thrown);
  }
}

/** The first detail of the given type. */
export function findDetail<Desc extends DescMessage>(
  error: RpcError,
  schema: Desc,
): MessageShape<Desc> | undefined {
  for (const detail of error.details) {
    const message = anyUnpack(detail, schema);
    if (message !== undefined) return message;
  }
  return undefined;
}

/** What grpc-js reports at the end of a call. */
interface GrpcStatus {
  readonly code: number;
  readonly details: string;
  readonly metadata: Metadata;
}

/** Turns a status of grpc-js that is not OK into an error. */
export function errorOfStatus(status: GrpcStatus): RpcError {
  const code = toStatusCode(status.code);
  return new RpcError(code, status.details, detailsOf(status.metadata));
}

function isStatus(thrown: unknown): thrown is GrpcStatus {
  return (
    thrown instanceof Error &&
    'code' in thrown &&
    typeof thrown.code === 'number' &&
    'details' in thrown &&
    typeof thrown.details === 'string' &&
    'metadata' in thrown &&
    thrown.metadata instanceof Metadata
  );
}

/** Details that cannot be decoded are dropped: the code and the text still tell what happened. */
function detailsOf(metadata: Metadata): readonly Any[] {
  const [bytes] = metadata.get('grpc-status-details-bin');
  if (!(bytes instanceof Uint8Array)) return [];
  try {
    return fromBinary(StatusSchema, bytes).details;
  } catch {
    return [];
  }
}
