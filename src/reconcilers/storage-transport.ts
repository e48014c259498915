import type { Pod } from '../api/kubernetes.ts';
import type { ClusterContext, StorageTransport } from './cluster-context.ts';
import { storageTlsPortName } from './gitaly-stateful-set.ts';
import { storagePart } from './gitaly-objects.ts';
import { podsOf } from './status/pods-of.ts';

/**
 * How the proxies are to speak with the storages: with TLS if the spec says so, but only when no pod is
 * left that was made without. Nobody could reach such a pod otherwise. A pod that is not there yet will
 * be made with TLS.
 */
export function storageTransport(context: ClusterContext, pods: readonly Pod[]): StorageTransport {
  if (context.spec.tls.storageSecret === undefined) return 'tcp';
  const storages = context.spec.virtualStorages.flatMap((virtualStorage) =>
    podsOf(context, pods, storagePart(virtualStorage)),
  );
  return storages.every(hasTls) ? 'tls' : 'tcp';
}

function hasTls({ spec }: Pod): boolean {
  return spec.containers.some(({ ports }) =>
    ports?.some(({ name }) => name === storageTlsPortName),
  );
}
