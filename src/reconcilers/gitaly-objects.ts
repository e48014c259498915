import type { EffectiveVirtualStorage } from '../api/effective-spec.ts';
import type { Secret, Service } from '../api/kubernetes.ts';
import { grpcPort, grpcTlsPort, httpPort, objectNames } from '../api/names.ts';
import { toBase64 } from './base64.ts';
import { storagesOf, type ClusterContext } from './cluster-context.ts';
import { gitalyConfig } from './gitaly-config.ts';
import { ownedMeta, selectorLabels, type Part } from './object-meta.ts';

/** The part of a cluster that a virtual storage's objects belong to. */
export function storagePart(virtualStorage: Pick<EffectiveVirtualStorage, 'name'>): Part {
  return { component: 'storage', virtualStorage: virtualStorage.name };
}

/** One `<pod>.toml` for each storage; each pod mounts its own. */
export function gitalyConfigSecret(
  context: ClusterContext,
  virtualStorage: EffectiveVirtualStorage,
  token: string,
): Secret {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: ownedMeta(
      context,
      storagePart(virtualStorage),
      objectNames.storageConfig(context.name, virtualStorage.name),
    ),
    type: 'Opaque',
    // Not stringData: with that, server-side apply never takes a key away again.
    data: Object.fromEntries(
      storagesOf(context, virtualStorage).map(({ name }) => [
        `${name}.toml`,
        toBase64(gitalyConfig({ context, storage: name, token })),
      ]),
    ),
  };
}

/** Gives each storage's pod a name, also while it is not ready: the proxies judge health themselves. */
export function gitalyService(
  context: ClusterContext,
  virtualStorage: EffectiveVirtualStorage,
): Service {
  const part = storagePart(virtualStorage);
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: ownedMeta(context, part, objectNames.storages(context.name, virtualStorage.name)),
    spec: {
      clusterIP: 'None',
      publishNotReadyAddresses: true,
      selector: selectorLabels(context, part),
      ports: [
        { name: 'tcp-gitaly', port: grpcPort, targetPort: 'grpc' },
        ...(context.spec.tls.storageSecret === undefined
          ? []
          : [{ name: 'tls-gitaly', port: grpcTlsPort, targetPort: 'grpc-tls' }]),
        { name: 'http-metrics', port: httpPort, targetPort: 'http' },
      ],
    },
  };
}
