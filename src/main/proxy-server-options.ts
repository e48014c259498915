import type { ProxyConfig } from '../api/proxy-config.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { RelayContext } from '../proxy/relay/context.ts';
import type { GrpcListenerOptions } from '../proxy/relay/grpc-listener.ts';
import type { ControlStore } from '../proxy/store/control-store.ts';
import type { Certificate } from './certificate.ts';
import type { GrpcListenConfig } from './listen-address.ts';

/** What a proxy is made of: `startProxyServer`. */
export interface ProxyServerOptions {
  readonly config: GrpcListenConfig &
    Pick<ProxyConfig, 'httpListen' | 'virtualStorages' | 'clientAuthTransitioning' | 'stop'>;
  /** This process among all proxies, now and ever: a restarted proxy is another one. */
  readonly owner: string;
  /**
   * Opens what is stopped with the proxy. Asked again as long as it rejects with a
   * {@link StoreUnavailableError}; anything else ends the start.
   */
  openStore(): Promise<ControlStore>;
  /** Tokens that clients may sign with. The same array as long as they are the same. */
  clientTokens(): readonly string[];
  /** Tokens that a storage may have been started with; each accepts one of them. */
  gitalyTokens(): readonly string[];
  /** What clients are shown at `grpcTlsListen`. The same object as long as it is the same. */
  certificate?(): Certificate;
  /** Who has to have signed the certificates of storages, in PEM. Default: as Node.js. */
  storageCa?(): string;
  readonly logger: Logger;
  readonly clock?: Clock;
  readonly random?: Random;
  /** See {@link Membership}. */
  readonly leaseMs?: number;
  readonly lateLimitMs?: RelayContext['lateLimitMs'];
  /** See {@link GrpcListenerOptions}. */
  readonly clientLimits?: GrpcListenerOptions['limits'];
  /** Gives up a start that waits for the store. */
  readonly signal?: AbortSignal;
}
