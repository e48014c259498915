import { sleep } from '../../base/clock.ts';
import { errorMessage } from '../../base/errors.ts';
import type { Intent, RepositoryRecord } from '../routing/repository-record.ts';
import { StoreUnavailableError } from '../store/control-store.ts';
import { takeIntent, type IntentRefusal } from '../transactions/record-changes.ts';
import type { RelayContext } from './context.ts';

/** What became of a write's intent. */
export type IntentOutcome =
  | {
      readonly kind: 'durable';
      readonly record: RepositoryRecord;
      /** The voters that still are in sync: the ones whose votes count. */
      readonly voters: readonly string[];
      /** The term of the lease that it was taken in: it counts only as long as that lasts. */
      readonly leaseTerm: number;
    }
  | {
      readonly kind: 'refused';
      readonly reason: string;
      /** Whether the same write may be taken, or refused with a better reason, if it is routed anew. */
      readonly mayRouteAgain: boolean;
    };

export interface IntentOptions {
  readonly primary: string;
  readonly minInSyncReplicas: number;
  /**
   * Whether to wait for a lease that has run out and for a store that is away. For writes that cannot be routed
   * again: they would fail for a moment without the database.
   */
  readonly waitsForStore: boolean;
}

/**
 * A write waits at most this long for a repair's barrier, for other writes to be settled, for the store or for
 * this proxy's lease.
 */
const intentLimitMs = 15_000;
const recheckMs = 25;

/** Makes a write's intent durable, or tells why it must not go on. Never rejects. */
export async function registerIntent(
  record: RepositoryRecord,
  intent: Intent,
  options: IntentOptions,
  context: RelayContext,
): Promise<IntentOutcome> {
  const { clock } = context;
  const giveUpAtMs = clock.monotonicMs() + intentLimitMs;
  let current = record;
  for (;;) {
    const attempt = await tryToRegister(current, intent, options, context);
    if (attempt.kind !== 'waits') return attempt;
    if (clock.monotonicMs() > giveUpAtMs) return refused(attempt.reason, false);
    await sleep(clock, recheckMs);
    current = await latestOf(attempt.record, context);
  }
}

type Attempt =
  | IntentOutcome
  | { readonly kind: 'waits'; readonly reason: string; readonly record: RepositoryRecord };

async function tryToRegister(
  record: RepositoryRecord,
  intent: Intent,
  options: IntentOptions,
  { view, clock, membership }: RelayContext,
): Promise<Attempt> {
  const waits = (reason: string, known = record): Attempt => ({
    kind: 'waits',
    reason,
    record: known,
  });
  if (!membership.holdsLease)
    return options.waitsForStore ? waits(leaseLost) : refused(leaseLost, true);
  const { leaseTerm } = membership;
  try {
    const outcome = await view.change(record, (latest) =>
      takeIntent(latest, intent, { ...options, nowMs: clock.wallMs() }),
    );
    if (outcome.kind === 'removed') return refused('the repository was removed', true);
    if (outcome.kind === 'refused') {
      const reason = refusalTexts[outcome.reason];
      return isFinal(outcome.reason) ? refused(reason, true) : waits(reason, outcome.record);
    }
    const { transaction } = intent;
    const own = outcome.record.intents.find((candidate) => candidate.transaction === transaction);
    const { voters = intent.voters } = own ?? {};
    return { kind: 'durable', record: outcome.record, voters, leaseTerm };
  } catch (error) {
    const isAway = error instanceof StoreUnavailableError;
    return isAway && options.waitsForStore
      ? waits(error.message)
      : refused(errorMessage(error), false);
  }
}

/** As long as the store is away, what was known. */
async function latestOf(
  record: RepositoryRecord,
  { view }: RelayContext,
): Promise<RepositoryRecord> {
  try {
    return (await view.get(record)) ?? record;
  } catch (error) {
    if (!(error instanceof StoreUnavailableError)) throw error;
    return record;
  }
}

/** Why a proxy that is fenced refuses a write. */
export const leaseLost = 'this proxy has lost its lease';

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
