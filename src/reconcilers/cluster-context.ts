import type { EffectiveSpec, EffectiveVirtualStorage } from '../api/effective-spec.ts';
import { grpcPort, grpcTlsPort, objectNames } from '../api/names.ts';

/** What the builders know of a cluster. */
export interface ClusterContext {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly spec: EffectiveSpec;
  /** Whether the operator sees which nodes are about to go, and lets pods be evicted that are drained. */
  readonly watchesNodes: boolean;
  /** A short text that is the same for the same input, and reveals nothing of it. */
  digest(text: string): string;
}

/** A Gitaly storage: its pod, its name in Gitaly's configuration, and its address. */
export interface StorageIdentity {
  readonly name: string;
  /** `tcp://host:port` or `tls://host:port`, by the name that the headless Service gives the pod. */
  readonly address: string;
}

/** How the proxies speak with the storages. */
export type StorageTransport = 'tcp' | 'tls';

/** Those of a virtual storage's storages that are to go. */
export function decommissionedStorages(
  context: Pick<ClusterContext, 'name' | 'namespace'>,
  virtualStorage: Pick<EffectiveVirtualStorage, 'name' | 'storages' | 'decommissioned'>,
): StorageIdentity[] {
  const { storages, decommissioned } = virtualStorage;
  return storagesOf(context, virtualStorage).slice(storages - decommissioned);
}

/** The storages that a virtual storage should have, by ordinal. */
export function storagesOf(
  { name: cluster, namespace }: Pick<ClusterContext, 'name' | 'namespace'>,
  virtualStorage: Pick<EffectiveVirtualStorage, 'name' | 'storages'>,
  transport: StorageTransport = 'tcp',
): StorageIdentity[] {
  const service = objectNames.storages(cluster, virtualStorage.name);
  const port = transport === 'tls' ? grpcTlsPort : grpcPort;
  return Array.from({ length: virtualStorage.storages }, (_, ordinal) => {
    const name = objectNames.storage(cluster, virtualStorage.name, ordinal);
    return { name, address: `${transport}://${name}.${service}.${namespace}.svc:${port}` };
  });
}
