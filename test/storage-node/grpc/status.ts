/** gRPC status codes (grpc/grpc doc/statuscodes.md). */
export const Code = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

export type Code = (typeof Code)[keyof typeof Code];

const names: Readonly<Record<number, string>> = {
  1: 'Canceled',
  2: 'Unknown',
  3: 'InvalidArgument',
  4: 'DeadlineExceeded',
  5: 'NotFound',
  6: 'AlreadyExists',
  7: 'PermissionDenied',
  8: 'ResourceExhausted',
  9: 'FailedPrecondition',
  10: 'Aborted',
  12: 'Unimplemented',
  13: 'Internal',
  14: 'Unavailable',
  15: 'DataLoss',
  16: 'Unauthenticated',
};

/** A message that explains a status: its full protobuf name and its bytes. */
export interface StatusDetail {
  readonly typeName: string;
  readonly value: Uint8Array;
}

/** The end of a call that did not succeed. The message goes to the client as it is. */
export class RpcError extends Error {
  readonly code: Code;
  readonly details: readonly StatusDetail[];

  constructor(code: Code, message: string, details: readonly StatusDetail[] = []) {
    super(message);
    this.name = 'RpcError';
    this.code = code;
    this.details = details;
  }
}

/**
 * `cause` with `prefix: ` before its text. As in Gitaly, a cause that is a status keeps its own code and
 * details; `code` is for those that are not.
 */
export function wrapError(code: Code, prefix: string, cause: unknown): RpcError {
  const text = cause instanceof Error ? cause.message : String(cause);
  return cause instanceof RpcError
    ? new RpcError(cause.code, `${prefix}: ${text}`, cause.details)
    : new RpcError(code, `${prefix}: ${text}`);
}

/** How Go prints a status inside a longer text. */
export function goErrorText(thrown: unknown): string {
  if (!(thrown instanceof RpcError)) {
    return thrown instanceof Error ? thrown.message : String(thrown);
  }
  return `rpc error: code = ${names[thrown.code] ?? thrown.code} desc = ${thrown.message}`;
}
