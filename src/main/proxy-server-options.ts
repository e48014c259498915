import type { ProxyConfig } from '../api/proxy-config.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { RelayContext } from '../proxy/relay/context.ts';
import type { SettlerOptions } from '../proxy/replication/settler.ts';
import type { GrpcListenerOptions } from '../proxy/relay/grpc-listener.ts';
import type { ControlStore } from '../proxy/store/control-store.ts';
import type { AcceptedConnections } from '../proxy/wire/accepted-connections.ts';
import type { Certificate } from './certificate.ts';
import type { GrpcListenConfig } from './listen-address.ts';
import type { ProxyReports } from './proxy-reports.ts';

/** What a proxy is made of: `startProxyServer`. */
export interface ProxyServerOptions {
  readonly config: GrpcListenConfig &
    Pick<
      ProxyConfig,
      'httpListen' | 'virtualStorages' | 'clientAuthTransitioning' | 'verification' | 'stop'
    >;
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
  /** Writes the line that each call leaves. Default: `logger`. */
  readonly callLogger?: Logger;
  readonly clock?: Clock;
  readonly random?: Random;
  /** See {@link Membership}. */
  readonly leaseMs?: number;
  readonly lateLimitMs?: RelayContext['lateLimitMs'];
  /** See {@link GrpcListenerOptions}. */
  readonly clientLimits?: GrpcListenerOptions['limits'];
  readonly recheckAfterMs?: SettlerOptions['recheckAfterMs'];
  /** Repairs of this proxy at the same time. Default 4. */
  readonly parallelRepairs?: number;
  /** The process that this proxy is a worker of. Default: it is alone in its pod. */
  readonly supervisor?: SupervisorSide;
  /** Gives up a start that waits for the store. */
  readonly signal?: AbortSignal;
}

/** What a supervisor does for the proxies that are its workers: see `src/main/workers`. */
export interface SupervisorSide {
  /** The connections that it accepts at an address: that of this index in `grpcAddresses`. */
  acceptedAt(index: number): AcceptedConnections;
  /** It asks for these, and answers over HTTP. */
  report(reports: ProxyReports): void;
}
