/** The status codes of gRPC, by their wire value (grpc repository, `doc/statuscodes.md`). */
export const statusCodes = {
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
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

/** The name of a status code, like `NOT_FOUND`. */
export type StatusName = keyof typeof statusCodes;

/** A status code of gRPC. */
export type StatusCode = (typeof statusCodes)[StatusName];

const namesByCode = new Map(
  Object.entries(statusCodes).map(([name, code]) => [code, name as StatusName]),
);

/** The name of `code`; UNKNOWN if gRPC has no such code. */
export function statusName(code: number): StatusName {
  return namesByCode.get(code as StatusCode) ?? 'UNKNOWN';
}

/** `code` if gRPC has such a code, else UNKNOWN: what a gRPC client makes of it. */
export function toStatusCode(code: number): StatusCode {
  return statusCodes[statusName(code)];
}
