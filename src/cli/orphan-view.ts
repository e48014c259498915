import type { Orphan } from '../gen/gitaly_operator/v1/admin_pb.ts';
import { count, formatTable } from './table.ts';

/** One line for each orphan, and what can be done about them. */
export function renderOrphans(orphans: readonly Orphan[], storage: string): string {
  if (orphans.length === 0) return `Everything on ${storage} belongs to a repository.`;
  const table = formatTable(
    [{ heading: 'PATH' }, { heading: 'CHANGED' }, { heading: 'STATE' }],
    orphans.map((orphan) => [orphan.path, changedAt(orphan), stateOf(orphan)]),
  );
  const left = orphans.filter(({ keptBecause, removed }) => keptBecause === '' && !removed);
  if (left.length === 0) return table;
  const amount = count(left.length, 'orphan', 'orphans');
  return `${table}\n\n${amount} can be removed for good: repeat the command with --remove`;
}

function changedAt({ modifiedAtMs }: Orphan): string {
  return modifiedAtMs === 0n ? '-' : new Date(Number(modifiedAtMs)).toISOString();
}

function stateOf({ keptBecause, removed }: Orphan): string {
  if (removed) return 'removed';
  return keptBecause === '' ? 'can be removed' : `stays: ${keptBecause}`;
}
