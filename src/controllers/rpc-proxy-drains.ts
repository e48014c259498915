import type { Clock } from '../base/clock.ts';
import { errorMessage } from '../base/errors.ts';
import { callAdmin } from './call-admin.ts';
import type { EffectiveSpec } from '../api/effective-spec.ts';
import type { ProxyDrains } from './proxy-drains.ts';

/** Changes drains over `AdminService`, with 2 seconds for each proxy. */
export function rpcProxyDrains(clock: Clock): ProxyDrains {
  return {
    async change(proxies, token, change) {
      const failures: string[] = [];
      for (const proxy of proxies) {
        try {
          await callAdmin({ clock, proxy, token }, async (admin, options) => {
            const { virtualStorage, storage, requester } = change;
            const request = { virtualStorage, storage, requester };
            if (change.kind === 'cancelDrain') await admin.cancelDrain(request, options);
            else {
              const { reason } = change;
              const graces = gracesOf(change.grace);
              await admin.requestDrain({ ...request, reason, graces }, options);
            }
          });
          return { kind: 'done' };
        } catch (thrown) {
          failures.push(errorMessage(thrown));
        }
      }
      return { kind: 'failed', message: failures.join('; ') || 'no proxy has an address yet' };
    },
  };
}

function gracesOf(grace: EffectiveSpec['update']['grace']) {
  const { unarySeconds: unary, streamSeconds: stream, fetchSeconds: fetch, pushSeconds } = grace;
  return Object.entries({ unary, stream, fetch, push: pushSeconds }).map(([name, seconds]) => ({
    class: name,
    ms: BigInt(seconds) * 1000n,
  }));
}
