/** Why `git update-ref` refused. */
export type UpdateRefFailure =
  | { readonly kind: 'locked'; readonly reference: string }
  | { readonly kind: 'exists'; readonly reference: string }
  | {
      readonly kind: 'mismatch';
      readonly reference: string;
      readonly expected: string;
      readonly actual: string;
    }
  | { readonly kind: 'missing object' }
  | { readonly kind: 'other' };

/** `git update-ref` failed; the message is Gitaly's for this failure. */
export class UpdateRefError extends Error {
  readonly failure: UpdateRefFailure;

  constructor(message: string, failure: UpdateRefFailure) {
    super(message);
    this.name = 'UpdateRefError';
    this.failure = failure;
  }
}

/** Reads the last words of `git update-ref`. */
export function updateRefError(stderr: string, exitCode: number): UpdateRefError {
  for (const read of readers) {
    const error = read(stderr);
    if (error) return error;
  }
  return new UpdateRefError(`exit status ${exitCode}`, { kind: 'other' });
}

const readers: readonly ((stderr: string) => UpdateRefError | undefined)[] = [
  (stderr) => {
    const match = /cannot lock ref '([^']+)': is at ([0-9a-f]+) but expected ([0-9a-f]+)/.exec(
      stderr,
    );
    const [, reference, actual, expected] = match ?? [];
    if (reference === undefined || actual === undefined || expected === undefined) return undefined;
    const failure = { kind: 'mismatch', reference, expected, actual } as const;
    return new UpdateRefError('reference does not point to expected object', failure);
  },
  (stderr) => {
    const reference = /cannot lock ref '([^']+)': reference already exists/.exec(stderr)?.[1];
    if (reference === undefined) return undefined;
    return new UpdateRefError('reference already exists', { kind: 'exists', reference });
  },
  (stderr) => {
    const reference = /cannot lock ref '([^']+)': Unable to create '.*\.lock'/.exec(stderr)?.[1];
    if (reference === undefined) return undefined;
    return new UpdateRefError('reference is already locked', { kind: 'locked', reference });
  },
  plain(/invalid ref format/, 'invalid reference format'),
  plain(/exists; cannot create/, 'file directory conflict'),
  plain(
    /cannot process '[^']+' and '[^']+' at the same time/,
    'conflicting reference updates in the same transaction',
  ),
  plain(
    /multiple updates for ref/,
    'reference has been updated multiple times within a transaction',
  ),
  (stderr) =>
    /nonexistent object/.test(stderr)
      ? new UpdateRefError('target object missing', { kind: 'missing object' })
      : undefined,
  plain(/trying to write non-commit object/, 'target object not a commit'),
];

function plain(pattern: RegExp, message: string) {
  return (stderr: string) =>
    pattern.test(stderr) ? new UpdateRefError(message, { kind: 'other' }) : undefined;
}
