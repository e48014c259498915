import type { ProxyReport } from '../reconcilers/proxy-report.ts';

/** A proxy that can be asked. */
export interface ProxyEndpoint {
  /** The name of its pod. */
  readonly name: string;
  /** `host:port`. */
  readonly address: string;
}

/** Says what the proxies of a cluster know of it. */
export interface ProxyStatusSource {
  /**
   * The most useful of the proxies' answers; never rejects, and takes a few seconds at most.
   *
   * @param token what callers sign with
   */
  ask(proxies: readonly ProxyEndpoint[], token: string): Promise<ProxyReport>;
}
