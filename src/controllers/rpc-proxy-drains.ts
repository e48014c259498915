import type { Clock } from '../base/clock.ts';
import { callAnyAdmin } from './call-admin.ts';
import type { EffectiveSpec } from '../api/effective-spec.ts';
import type { ProxyDrains } from './proxy-drains.ts';

/** Changes drains over `AdminService`, with 2 seconds for each proxy. */
export function rpcProxyDrains(clock: Clock): ProxyDrains {
  return {
    change: (proxies, token, change) =>
      callAnyAdmin({ clock, proxies, token }, (admin, options) => {
        const { virtualStorage, storage, requester } = change;
        const request = { virtualStorage, storage, requester };
        if (change.kind === 'cancelDrain') return admin.cancelDrain(request, options);
        const { reason } = change;
        const graces = gracesOf(change.grace);
        return admin.requestDrain({ ...request, reason, graces }, options);
      }),
  };
}

function gracesOf(grace: EffectiveSpec['update']['grace']) {
  const { unarySeconds: unary, streamSeconds: stream, fetchSeconds: fetch, pushSeconds } = grace;
  return Object.entries({ unary, stream, fetch, push: pushSeconds }).map(([name, seconds]) => ({
    class: name,
    ms: BigInt(seconds) * 1000n,
  }));
}
