import type { ControlStore, StoreSummary } from '../store/control-store.ts';
import type { VirtualStorage } from '../upstream/storage-directory.ts';

/**
 * How well the repositories of a virtual storage are replicated, seen with the health that its storages have
 * here and now.
 *
 * @throws StoreUnavailableError
 */
export function summarize(
  virtualStorage: VirtualStorage,
  store: Pick<ControlStore, 'summarize'>,
): Promise<StoreSummary> {
  const nodes = [...virtualStorage.nodes().values()];
  const unhealthy = new Set(nodes.filter(({ healthy }) => !healthy).map(({ storage }) => storage));
  const { name, policy } = virtualStorage;
  return store.summarize({ virtualStorage: name, ...policy, unhealthy });
}
