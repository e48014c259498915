import type { ConditionVerdict } from '../../api/conditions.ts';
import { proxyPart } from '../proxy-objects.ts';
import { isPodReady, podProblem } from './pod-state.ts';
import { podsOf } from './pods-of.ts';
import { databaseReady } from './database-ready.ts';
import { readyStorages, type ConditionInput } from './status-input.ts';

/** Whether clients are served, reads and writes. */
export function available(input: ConditionInput): ConditionVerdict<'Available'> {
  const type = 'Available';
  const proxies = podsOf(input.context, input.observed.pods, proxyPart);
  if (!proxies.some(isPodReady)) {
    const why = podProblem(proxies[0]);
    const message = `no proxy is ready${why === undefined ? '' : `: ${why}`}`;
    return { type, status: 'False', reason: 'NoProxyReady', message };
  }
  const database = databaseReady(input);
  if (database.status === 'False') {
    const message = `writes are refused: ${database.message}`;
    return { type, status: 'False', reason: 'DatabaseNotReady', message };
  }
  for (const virtualStorage of input.virtualStorages) {
    const { name, ready, minInSyncReplicas, storages } = virtualStorage;
    if (readyStorages(virtualStorage) >= minInSyncReplicas) continue;
    const first = storages.find((storage) => !storage.ready);
    const message =
      `virtual storage ${name} has ${ready} storages ready and needs ${minInSyncReplicas} to ` +
      `write; ${first?.name}: ${first?.message ?? 'not ready'}`;
    return { type, status: 'False', reason: 'StoragesNotReady', message };
  }
  return { type, status: 'True', reason: 'Serving', message: 'reads and writes are served' };
}
