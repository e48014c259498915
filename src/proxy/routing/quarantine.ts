import { isHealthy, type NodeView } from './node-view.ts';
import type { RepositoryRecord } from './repository-record.ts';
import type { ReadRoute } from './route.ts';

/** No path of Linux is longer. */
const maxDirectoryLength = 4096;

/** Whether an object directory may be a push's own. `objects` is none: every replica has it. */
export function isQuarantine(directory: string): boolean {
  return directory.length <= maxDirectoryLength && !/(^|\/)objects\/*$/.test(directory);
}

/**
 * Whom to ask which storage has a quarantine folder, one group after the other, all of a group at once. It is on the
 * storage that was the primary when its push began. So the primary is asked first: mostly it has not moved since.
 *
 * Replicas that have fallen behind since are asked too. What is read from a quarantine only decides about that push. It
 * began before the writes ended that the replica lacks, so it may be judged by what there was before them.
 *
 * @returns nobody if there is no choice: only the primary can have it
 */
export function quarantineSearch(
  { primary, replicas }: RepositoryRecord,
  nodes: NodeView,
): readonly (readonly string[])[] {
  const others = replicas
    .filter(({ storage, role, lsn }) => storage !== primary && role !== 'leaving' && lsn >= 0n)
    .map(({ storage }) => storage)
    .filter((storage) => isHealthy(nodes, storage));
  if (others.length === 0) return [];
  return isHealthy(nodes, primary) ? [[primary], others] : [others];
}

/** Where to send a read from a quarantine: to the storage that has it, or nowhere. */
export function routeToQuarantine(
  holder: string,
  nodes: NodeView,
  excluded: ReadonlySet<string>,
): ReadRoute {
  if (isHealthy(nodes, holder) && !excluded.has(holder)) return { kind: 'read', storage: holder };
  const reason = `storage ${holder}, which alone has what the push has brought, cannot be reached`;
  return { kind: 'unavailable', reason };
}
