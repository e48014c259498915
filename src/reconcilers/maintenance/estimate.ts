import type { NodeRecord } from './node-record.ts';

/**
 * When the last node will be done, if the others take as long as those before, and as many go together as did so far.
 * While there is nothing but the first, which goes alone, a whole group is expected to.
 *
 * @returns milliseconds since 1970-01-01 UTC; undefined while no node is done, and when all are
 */
export function estimatedEndMs(
  records: readonly NodeRecord[],
  groupSize: number,
): number | undefined {
  const spans = records.flatMap(({ startedAt, doneAt }) => {
    if (startedAt === undefined) return [];
    return [
      { from: Date.parse(startedAt), to: doneAt === undefined ? undefined : Date.parse(doneAt) },
    ];
  });
  const done = spans.flatMap(({ from, to }) => (to === undefined ? [] : [{ from, to }]));
  const left = records.length - done.length;
  if (done.length === 0 || left === 0) return undefined;
  const mean = done.reduce((sum, { from, to }) => sum + to - from, 0) / done.length;
  const together = spans.length > 1 ? mostTogether(spans) : groupSize;
  const last = Math.max(...done.map(({ to }) => to));
  return last + Math.ceil(left / together) * mean;
}

/** How many were under way at the same time, at most. */
function mostTogether(
  spans: readonly { readonly from: number; readonly to: number | undefined }[],
): number {
  const changes = spans
    .flatMap(({ from, to = Infinity }) => [
      { at: from, by: 1 },
      { at: to, by: -1 },
    ])
    .toSorted((a, b) => a.at - b.at || a.by - b.by);
  let now = 0;
  let most = 1;
  for (const { by } of changes) {
    now += by;
    most = Math.max(most, now);
  }
  return most;
}
