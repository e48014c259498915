import { grpcPort, httpPort } from '../api/names.ts';
import type { ProxyConfig, ProxyStopPolicy } from '../api/proxy-config.ts';
import { storagesOf, type ClusterContext } from './cluster-context.ts';

/** Where things are in a proxy pod. */
export const proxyPaths = {
  configDir: '/etc/gitaly-proxy',
  configFile: '/etc/gitaly-proxy/config.json',
  clientTokenDir: '/etc/gitaly-proxy-secrets/client-tokens',
  gitalyTokenDir: '/etc/gitaly-proxy-secrets/gitaly',
  databaseDir: '/etc/gitaly-proxy-secrets/database',
} as const;

/**
 * Name servers may give out old addresses for 30 s. Together with the time that a new proxy has to be
 * ready before an old one goes (`proxyDeployment`), a client that is sent elsewhere finds the new one.
 * A large clone takes minutes.
 */
export const proxyStopPolicy: ProxyStopPolicy = { lameDuckMs: 20_000, callsMs: 255_000 };

/** What the proxies are told: every storage, and where the secrets are. */
export function proxyConfig(context: ClusterContext): ProxyConfig {
  return {
    grpcListen: `0.0.0.0:${grpcPort}`,
    httpListen: `0.0.0.0:${httpPort}`,
    clientTokenDir: proxyPaths.clientTokenDir,
    gitalyTokenFile: `${proxyPaths.gitalyTokenDir}/token`,
    databaseDir: proxyPaths.databaseDir,
    virtualStorages: context.spec.virtualStorages.map((virtualStorage) => ({
      name: virtualStorage.name,
      replicationFactor: virtualStorage.replicationFactor,
      minInSyncReplicas: virtualStorage.minInSyncReplicas,
      storages: storagesOf(context, virtualStorage),
    })),
    stop: proxyStopPolicy,
  };
}
