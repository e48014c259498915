const unitMs: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};

/** Milliseconds of a `grpc-timeout` header, at most what a timer can wait; undefined if there is none that can be read. */
export function parseTimeout(header: string | undefined): number | undefined {
  const match = /^(\d{1,8})([HMSmun])$/.exec(header ?? '');
  const unit = unitMs[match?.[2] ?? ''];
  if (!match || unit === undefined) return undefined;
  return Math.min(Number(match[1]) * unit, 2 ** 31 - 1);
}

/** A `grpc-timeout` header for `timeoutMs`, which is rounded up to a whole millisecond. */
export function formatTimeout(timeoutMs: number): string {
  const milliseconds = Math.max(1, Math.ceil(timeoutMs));
  return milliseconds < 1e8 ? `${milliseconds}m` : `${Math.ceil(milliseconds / 1000)}S`;
}
