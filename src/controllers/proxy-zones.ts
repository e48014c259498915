import type { Clock } from '../base/clock.ts';
import type { ZoneChange } from '../reconcilers/zone-changes.ts';
import { callAnyAdmin, type AdminOutcome } from './call-admin.ts';
import type { ProxyEndpoint } from './proxy-status-source.ts';

/** Tells the proxies of a cluster in which zones its storages are. */
export interface ProxyZones {
  /**
   * Tells one proxy after the other until one has taken it, which is enough for all. Never rejects, and takes a few
   * seconds for each.
   *
   * @param token what callers sign with
   */
  tell(proxies: readonly ProxyEndpoint[], token: string, change: ZoneChange): Promise<AdminOutcome>;
}

/** Tells it over `AdminService`, with 2 seconds for each proxy. */
export function rpcProxyZones(clock: Clock): ProxyZones {
  return {
    tell: (proxies, token, { virtualStorage, storage, zone }) =>
      callAnyAdmin({ clock, proxies, token }, (admin, options) =>
        admin.setStorageZone({ virtualStorage, storage, zone }, options),
      ),
  };
}
