import { sleep } from '../../base/clock.ts';
import { errorMessage } from '../../base/errors.ts';
import type { Intent, RepositoryRecord } from '../routing/repository-record.ts';
import { takeIntent, type IntentRefusal } from '../transactions/record-changes.ts';
import type { RelayContext } from './context.ts';

/** What became of a write's intent. */
export type IntentOutcome =
  | {
      readonly kind: 'durable';
      readonly record: RepositoryRecord;
      /** The voters that still are in sync: the ones whose votes count. */
      readonly voters: readonly string[];
    }
  | {
      readonly kind: 'refused';
      readonly reason: string;
      /** Whether the same write may be taken, or refused with a better reason, if it is routed anew. */
      readonly mayRouteAgain: boolean;
    };

/** A write waits at most this long for a repair's barrier, or for other writes to be settled. */
const intentLimitMs = 15_000;
const recheckMs = 25;

/** Makes a write's intent durable, or tells why it must not go on. Never rejects. */
export async function registerIntent(
  record: RepositoryRecord,
  intent: Intent,
  options: { readonly primary: string; readonly minInSyncReplicas: number },
  context: RelayContext,
): Promise<IntentOutcome> {
  const { view, clock, membership } = context;
  const giveUpAtMs = clock.monotonicMs() + intentLimitMs;
  let current = record;
  try {
    for (;;) {
      if (!membership.holdsLease) return refused('this proxy has lost its lease', true);
      const outcome = await view.change(current, (latest) =>
        takeIntent(latest, intent, { ...options, nowMs: clock.wallMs() }),
      );
      if (outcome.kind === 'removed') return refused('the repository was removed', true);
      if (outcome.kind === 'changed') {
        const own = outcome.record.intents.find(
          (candidate) => candidate.transaction === intent.transaction,
        );
        return { kind: 'durable', record: outcome.record, voters: own?.voters ?? intent.voters };
      }
      if (isFinal(outcome.reason) || clock.monotonicMs() > giveUpAtMs) {
        return refused(refusalTexts[outcome.reason], isFinal(outcome.reason));
      }
      await sleep(clock, recheckMs);
      current = (await view.get(record)) ?? outcome.record;
    }
  } catch (error) {
    return refused(errorMessage(error), false);
  }
}

function isFinal(reason: IntentRefusal): boolean {
  return reason !== 'barrier' && reason !== 'busy';
}

const refusalTexts: Readonly<Record<IntentRefusal, string>> = {
  fenced: 'what replicas hold was settled anew since the write began',
  primaryBehind: 'the primary has fallen behind since the write began',
  tooFewVoters: 'too few replicas are still in sync',
  barrier: 'replicas are being compared',
  busy: 'too many writes to the repository are in flight',
};

function refused(reason: string, mayRouteAgain: boolean): IntentOutcome {
  return { kind: 'refused', reason, mayRouteAgain };
}
