import type { VirtualStorageConfig } from '../../src/api/proxy-config.ts';
import { silentLogger } from '../../src/base/logger.ts';
import type { ProxyServerOptions } from '../../src/main/proxy-server-options.ts';
import { startProxyServer, type ProxyServer } from '../../src/main/proxy-server.ts';
import type { ControlStore } from '../../src/proxy/store/control-store.ts';

export interface InProcessProxyOptions extends Partial<
  Omit<ProxyServerOptions, 'config' | 'openStore'>
> {
  readonly storages: VirtualStorageConfig['storages'];
  /** Default: as many as there are storages. */
  readonly replicationFactor?: number;
  readonly minInSyncReplicas: number;
  readonly store: ControlStore;
  readonly clientToken: string;
  readonly gitalyToken: string;
  /** Further configuration. */
  readonly config?: Partial<ProxyServerOptions['config']>;
}

/**
 * Starts a proxy in this process, on loopback, before one virtual storage with the name `default`. It has
 * more patience with itself and with its storages than usual, since all of them share a process, and the
 * process its machine with other tests.
 */
export function startInProcessProxy(options: InProcessProxyOptions): Promise<ProxyServer> {
  const { storages, replicationFactor = storages.length, minInSyncReplicas, store } = options;
  const { clientToken, gitalyToken, config, ...special } = options;
  return startProxyServer({
    owner: 'proxy-0',
    openStore: () => Promise.resolve(store),
    clientTokens: () => [clientToken],
    gitalyTokens: () => [gitalyToken],
    logger: silentLogger,
    leaseMs: 30_000,
    lateLimitMs: 5000,
    ...special,
    config: {
      grpcListen: '127.0.0.1:0',
      httpListen: '127.0.0.1:0',
      virtualStorages: [{ name: 'default', replicationFactor, minInSyncReplicas, storages }],
      stop: { lameDuckMs: 0, callsMs: 45_000 },
      ...config,
    },
  });
}
