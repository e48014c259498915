import type { EffectiveSpec } from '../api/effective-spec.ts';
import type { AdminOutcome } from './call-admin.ts';
import type { ProxyEndpoint } from './proxy-status-source.ts';

/** A drain that is asked for, or taken back. */
export type DrainChange = DrainPlace &
  (
    | {
        readonly kind: 'requestDrain';
        /** Why, for people. */
        readonly reason: string;
        /** How long calls may go on, by their class. */
        readonly grace: EffectiveSpec['update']['grace'];
      }
    | { readonly kind: 'cancelDrain' }
  );

interface DrainPlace {
  readonly virtualStorage: string;
  readonly storage: string;
  readonly requester: string;
}

/** Has the proxies of a cluster drain storages. */
export interface ProxyDrains {
  /**
   * Asks one proxy after the other until one has done it, which is enough for all. Never rejects, and takes a few
   * seconds for each.
   *
   * @param token what callers sign with
   */
  change(
    proxies: readonly ProxyEndpoint[],
    token: string,
    change: DrainChange,
  ): Promise<AdminOutcome>;
}
