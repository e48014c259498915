import type { JudgedStorage } from './judged-storage.ts';

/**
 * Those of a group that leave no other storage behind on a node that is cleared for a maintenance. That is cordoned when
 * the first of them goes: one with a volume of that node would wait for it, and the others for that one.
 */
export function wholeNodes(
  group: readonly JudgedStorage[],
  storages: readonly JudgedStorage[],
): readonly JudgedStorage[] {
  const left = new Set(
    storages.filter((one) => !group.includes(one)).flatMap((one) => nodeToClear(one) ?? []),
  );
  return group.filter((one) => !left.has(nodeToClear(one) ?? ''));
}

/** The candidates by the nodes that they are to leave for a maintenance, in their order. */
export function byNodeToClear(
  candidates: readonly JudgedStorage[],
): readonly (readonly JudgedStorage[])[] {
  const nodes = new Set(candidates.flatMap((one) => nodeToClear(one) ?? []));
  return [...nodes].map((node) => candidates.filter((one) => nodeToClear(one) === node));
}

function nodeToClear({ pod }: JudgedStorage): string | undefined {
  return pod.kind === 'present' ? pod.maintenance?.node : undefined;
}
