import { sleep } from '../../base/clock.ts';
import type { RelayContext } from './context.ts';
import type { WriteEnd } from './write-call.ts';

/** So often a write is routed before its client hears that it failed. */
const maxRoutes = 3;
/** A storage that has refused a call needs a moment to say why. */
const pauseMs = 50;
/** A proxy that has lost its lease only for a moment has it back after so long. */
const leaseLimitMs = 3000;

/**
 * Routes a write, and routes it again if it came to nothing through no fault of its own: nothing has
 * changed then, so that clients need not know. Each time it goes by what is known then: another
 * primary, other voters, a lease that has come back.
 *
 * @param route carries the write out once; it gets whether it may ask for another time
 */
export async function carryOutWrite(
  context: Pick<RelayContext, 'clock' | 'logger' | 'membership' | 'metrics'>,
  route: (routesAgain: boolean) => Promise<WriteEnd>,
): Promise<void> {
  const { clock, logger, membership, metrics } = context;
  for (let routed = 1; ; routed++) {
    const end = await route(routed < maxRoutes);
    if (end.kind !== 'routeAgain') return;
    metrics.writeRoutedAgain();
    logger.info({ reason: end.reason }, 'a write came to nothing and is routed again');
    await sleep(clock, pauseMs * routed);
    const giveUpAtMs = clock.monotonicMs() + leaseLimitMs;
    while (!membership.holdsLease && clock.monotonicMs() < giveUpAtMs) await sleep(clock, pauseMs);
  }
}
