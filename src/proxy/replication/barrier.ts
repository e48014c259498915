import { sleep, type Clock } from '../../base/clock.ts';
import type { Barrier, Intent, RepositoryRecord } from '../routing/repository-record.ts';
import { lowerBarrier, raiseBarrier } from '../transactions/barrier-changes.ts';
import type { Membership } from '../view/membership.ts';
import type { RepositoryView } from '../view/repository-view.ts';

export interface BarrierOptions {
  readonly view: RepositoryView;
  readonly owner: string;
  readonly clock: Clock;
  readonly membership: Pick<Membership, 'isAbandoned' | 'refresh'>;
}

/** Writes are held back for at most this long, whatever happens to the proxy that repairs. */
const barrierMs = 10_000;
/** How long writes in flight get to run out. */
const drainLimitMs = 3000;
const recheckMs = 20;

export type BarrierOutcome<T> =
  | { readonly kind: 'done'; readonly value: T }
  /** Another proxy repairs, writes did not run out in time, or the repository is gone. */
  | { readonly kind: 'busy'; readonly reason: string };

/**
 * Holds new writes back, waits until those in flight have run out or have lost their owner, and runs
 * `action` while nothing changes. `action` has to settle the record, which lowers the barrier; where it does not, the
 * barrier is lowered here.
 */
export async function underBarrier<T>(
  record: RepositoryRecord,
  options: BarrierOptions,
  action: (quiet: RepositoryRecord, barrier: Barrier) => Promise<T>,
): Promise<BarrierOutcome<T>> {
  const { view, owner, clock, membership } = options;
  const barrier = { owner, expiresAtMs: clock.wallMs() + barrierMs };
  const raised = await view.change(record, (current) =>
    raiseBarrier(current, barrier, clock.wallMs()),
  );
  if (raised.kind !== 'changed') return { kind: 'busy', reason: 'it is under repair already' };
  const isAbandoned = (intent: Intent) => membership.isAbandoned(intent);
  try {
    // Its writes show a proxy that has just started before the next renewal does.
    await membership.refresh();
    const giveUpAtMs = clock.monotonicMs() + drainLimitMs;
    let quiet: RepositoryRecord | undefined = raised.record;
    while (quiet !== undefined && !quiet.intents.every(isAbandoned)) {
      if (clock.monotonicMs() > giveUpAtMs) {
        return { kind: 'busy', reason: 'writes in flight did not end in time' };
      }
      await sleep(clock, recheckMs);
      quiet = await view.get(record);
    }
    if (quiet === undefined) return { kind: 'busy', reason: 'the repository was removed' };
    return { kind: 'done', value: await action(quiet, barrier) };
  } finally {
    await view.change(view.latest(raised.record), (current) => lowerBarrier(current, barrier));
  }
}
