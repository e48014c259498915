import { errorMessage } from '../base/errors.ts';
import { RpcError } from '../rpc/rpc-error.ts';
import { statusCodes, statusName, type StatusCode } from '../rpc/status.ts';

/** A failure that is told to the person as it is: what is wrong, and what to do next. */
export class CliError extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode = 1) {
    super(message);
    this.name = 'CliError';
    this.exitCode = exitCode;
  }
}

/** What to tell a person about anything that was thrown: what is wrong, and what to do next. */
export function describeError(thrown: unknown, address: string): string {
  if (!(thrown instanceof RpcError)) return errorMessage(thrown);
  const what = `${thrown.message} (${statusName(thrown.code)})`;
  const next = nextSteps.get(thrown.code);
  return next === undefined ? what : `${what}\n${next(address)}`;
}

const checkToken = (address: string) =>
  `Check that the token is the one that ${address} expects, and that the clocks differ by less than 30 seconds.`;

const nextSteps: ReadonlyMap<StatusCode, (address: string) => string> = new Map([
  [statusCodes.UNAUTHENTICATED, checkToken],
  [statusCodes.PERMISSION_DENIED, checkToken],
  [
    statusCodes.UNAVAILABLE,
    (address) =>
      `Check that ${address} is right and its pods are running; "gitaly-ha status" tells how the cluster is.`,
  ],
  [
    statusCodes.DEADLINE_EXCEEDED,
    () => 'The server was too slow. Try again, or give it more time with --timeout.',
  ],
  [
    statusCodes.NOT_FOUND,
    () => '"gitaly-ha repository list" shows the repositories that there are.',
  ],
  [
    statusCodes.UNIMPLEMENTED,
    (address) =>
      `${address} does not serve this. Is it a proxy of gitaly-operator, and as new as this program?`,
  ],
]);
