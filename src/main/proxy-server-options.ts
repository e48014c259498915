import type { ProxyConfig } from '../api/proxy-config.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { RelayContext } from '../proxy/relay/context.ts';
import type { ControlStore } from '../proxy/store/control-store.ts';

/** What a proxy is made of: `startProxyServer`. */
export interface ProxyServerOptions {
  readonly config: Pick<ProxyConfig, 'grpcListen' | 'httpListen' | 'virtualStorages' | 'stop'>;
  /** This process among all proxies, now and ever: a restarted proxy is another one. */
  readonly owner: string;
  /**
   * Opens what is stopped with the proxy. Asked again as long as it rejects with a
   * {@link StoreUnavailableError}; anything else ends the start.
   */
  openStore(): Promise<ControlStore>;
  /** Tokens that clients may sign with. */
  clientTokens(): readonly string[];
  /** The token that the storages expect. */
  gitalyToken(): string;
  readonly logger: Logger;
  readonly clock?: Clock;
  readonly random?: Random;
  /** See {@link Membership}. */
  readonly leaseMs?: number;
  readonly lateLimitMs?: RelayContext['lateLimitMs'];
  /** Gives up a start that waits for the store. */
  readonly signal?: AbortSignal;
}
