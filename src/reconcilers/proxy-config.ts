import { grpcPort, grpcTlsPort, httpPort, tlsKeys } from '../api/names.ts';
import type { EffectiveVirtualStorage } from '../api/effective-spec.ts';
import type { ProxyConfig, ProxyStopPolicy, StorageConfig } from '../api/proxy-config.ts';
import {
  decommissionedStorages,
  storagesOf,
  type ClusterContext,
  type StorageTransport,
} from './cluster-context.ts';

/** Where things are in a proxy pod. */
export const proxyPaths = {
  configDir: '/etc/gitaly-proxy',
  configFile: '/etc/gitaly-proxy/config.json',
  clientTokenDir: '/etc/gitaly-proxy-secrets/client-tokens',
  gitalyTokenDir: '/etc/gitaly-proxy-secrets/gitaly',
  databaseDir: '/etc/gitaly-proxy-secrets/database',
  tlsDir: '/etc/gitaly-proxy-secrets/tls',
  storageCaDir: '/etc/gitaly-proxy-secrets/storage-ca',
} as const;

/**
 * Name servers may give out old addresses for 30 s. Together with the time that a new proxy has to be
 * ready before an old one goes (`proxyDeployment`), a client that is sent elsewhere finds the new one.
 * A large clone takes minutes.
 */
export const proxyStopPolicy: ProxyStopPolicy = { lameDuckMs: 20_000, callsMs: 255_000 };

/** What the proxies are told: every storage, and where the secrets are. */
export function proxyConfig(context: ClusterContext, transport: StorageTransport): ProxyConfig {
  const { tls, clientAuthTransitioning, proxy } = context.spec;
  return {
    grpcListen: `0.0.0.0:${grpcPort}`,
    ...(tls.proxySecret !== undefined && listenWithTls),
    httpListen: `0.0.0.0:${httpPort}`,
    clientTokenDir: proxyPaths.clientTokenDir,
    ...(clientAuthTransitioning && { clientAuthTransitioning }),
    gitalyTokenDir: proxyPaths.gitalyTokenDir,
    ...(transport === 'tls' && {
      storageCaFile: `${proxyPaths.storageCaDir}/${tlsKeys.authority}`,
    }),
    databaseDir: proxyPaths.databaseDir,
    ...(proxy.workers > 1 && { workers: proxy.workers }),
    virtualStorages: context.spec.virtualStorages.map((virtualStorage) => ({
      name: virtualStorage.name,
      replicationFactor: virtualStorage.replicationFactor,
      minInSyncReplicas: virtualStorage.minInSyncReplicas,
      storages: storageConfigs(context, virtualStorage, transport),
    })),
    stop: proxyStopPolicy,
    verification: {
      intervalMs: proxy.verification.intervalHours * 3_600_000,
      callsPerSecond: proxy.verification.callsPerSecond,
    },
  };
}

function storageConfigs(
  context: ClusterContext,
  virtualStorage: EffectiveVirtualStorage,
  transport: StorageTransport,
): StorageConfig[] {
  const going = new Set(decommissionedStorages(context, virtualStorage).map(({ name }) => name));
  return storagesOf(context, virtualStorage, transport).map((storage) =>
    going.has(storage.name) ? Object.assign({}, storage, { decommissioned: true }) : storage,
  );
}

const listenWithTls = {
  grpcTlsListen: `0.0.0.0:${grpcTlsPort}`,
  tls: {
    certificateFile: `${proxyPaths.tlsDir}/${tlsKeys.certificate}`,
    keyFile: `${proxyPaths.tlsDir}/${tlsKeys.key}`,
  },
};
