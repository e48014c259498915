import { sleep } from '../../base/clock.ts';
import { errorMessage } from '../../base/errors.ts';
import { inSyncVoters, type RepositoryRecord } from '../routing/repository-record.ts';
import { StoreUnavailableError } from '../store/control-store.ts';
import type { WriteOutcome } from '../transactions/outcome.ts';
import { beginComparison, isQuietBut, isSteady } from '../transactions/barrier-changes.ts';
import {
  abandonIntent,
  dropIntent,
  heldBy,
  settleWrite,
  type SettleRefusal,
} from '../transactions/record-changes.ts';
import type { VirtualStorage } from '../upstream/storage-directory.ts';
import type { RelayContext } from './context.ts';

/** What the client may be told. */
export type Settlement =
  /** The write is recorded, and on enough replicas: the reference's answer stands. */
  | {
      readonly kind: 'recorded';
      readonly reference: string;
      readonly holders: readonly string[];
    }
  /**
   * Nothing has changed on the replicas that count: the primary's answer stands, if there is one, and
   * if it is not only that the write was called off.
   */
  | { readonly kind: 'unchanged'; readonly isCalledOff: boolean }
  /** The client must not take the write for done; it may have happened. */
  | { readonly kind: 'failed'; readonly reason: string };

export interface SettlementOptions {
  readonly record: RepositoryRecord;
  readonly transaction: string;
  readonly virtualStorage: VirtualStorage;
  readonly context: RelayContext;
}

/** How long the store may be away before the client is told that the outcome is unknown. */
const recordLimitMs = 10_000;
const retryMs = 200;
const recheckMs = 25;
/** How long a write that is to be compared waits for others to end before it holds new ones back. */
const calmLimitMs = 200;
/**
 * Longer than a storage can take to carry out what it was told to commit: one that stands still for
 * 2.5 s is lost, and behind.
 */
const comparisonLimitMs = 3500;
/** Writes are held back for at most this long, whatever happens to this proxy. */
const barrierMs = 10_000;
/**
 * A storage that was told to commit, and was lost, may still be at it. Contents that are compared
 * meanwhile may be found equal and become different after. So others get a write in doubt to settle
 * only when it has run out, as that of an owner whose lease has to run out first. Writes go on.
 */
const runOutMs = 1000;

/**
 * Records what a write has left behind, before the client gets its answer (invariant I2).
 *
 * 1. A write that changed nothing only gives its intent back. A creation keeps it until its record is
 *    removed: without it the repository would exist.
 * 2. One that nobody voted on is judged by comparing contents. Where all have asked and were refused
 *    but those that were lost, these are behind, and the others as they were.
 * 3. Replicas that do not hold the write leave the in-sync set, and no other proxy reads from them
 *    any more, before the client is told (I4).
 * 4. One that nobody can vouch for is left to be settled like that of a dead owner.
 *
 * Resolves when the client can be answered; goes on in the background where the store is away.
 */
export async function settle(
  outcome: WriteOutcome,
  options: SettlementOptions,
): Promise<Settlement> {
  switch (outcome.kind) {
    case 'unchanged':
      if (!isCreation(options)) void inBackground(options, () => giveIntentBack(options));
      return outcome;
    case 'inDoubt':
      leaveToOthers(options);
      return unknown;
    case 'calledOff': {
      const { unchanged: holders } = outcome;
      const settled = await recordPatiently({ holders, before: undefined }, options);
      if (settled.kind === 'failed') return settled;
      return settled.kind === 'recorded' && settled.held > 0 ? calledOff : unknown;
    }
    case 'unverified': {
      const [reference] = outcome.finished;
      if (reference === undefined) return settle({ kind: 'inDoubt' }, options);
      const settlement = await compareAndRecord(reference, outcome.finished, options);
      const isRecorded = settlement.kind === 'recorded';
      return isRecorded && outcome.isCalledOff ? calledOff : settlement;
    }
    case 'committed':
      return record(outcome.reference, { holders: outcome.holders, before: undefined }, options);
  }
}

/**
 * Other writes to the same references have had their votes, and this one none: they may come before
 * it on one storage and after it on another. One that is decided and not carried out yet is not seen
 * in a comparison. So it counts only if no other write was in flight meanwhile, or if those that were
 * decided before have run out.
 *
 * 1. For a moment, wait until nobody else is in flight: usually nobody is.
 * 2. Then hold new writes back until those in flight have ended. Those that only wait to be compared
 *    are not waited for.
 * 3. One that takes longer than any decision needs to run out may be seen halfway. Replicas that
 *    look different for it are behind then: that costs a repair, and no write.
 */
async function compareAndRecord(
  reference: string,
  finished: readonly string[],
  options: SettlementOptions,
): Promise<Settlement> {
  const { clock, view } = options.context;
  const endedMs = clock.monotonicMs();
  for (;;) {
    const waitedMs = clock.monotonicMs() - endedMs;
    const hasRunOut = waitedMs >= comparisonLimitMs;
    const before = view.latest(options.record);
    if (hasRunOut || isQuietBut(before, options.transaction)) {
      const holders = await withEqualContents(finished, options);
      const stillBefore = hasRunOut ? undefined : before;
      const holding: Holding = { holders, before: stillBefore, equalTo: reference };
      const settlement = await record(reference, holding, options);
      if (settlement !== 'moving') return settlement;
    } else if (waitedMs >= calmLimitMs) await holdWritesBack(before, options);
    await sleep(clock, recheckMs);
  }
}

async function holdWritesBack(
  record: RepositoryRecord,
  { transaction, context }: SettlementOptions,
): Promise<void> {
  const { view, clock, owner } = context;
  const nowMs = clock.wallMs();
  const barrier = { owner, expiresAtMs: nowMs + barrierMs };
  const begin = (current: RepositoryRecord) =>
    beginComparison(current, transaction, barrier, nowMs);
  if (begin(record).kind === 'refuse') return;
  try {
    await view.change(record, begin);
  } catch (error) {
    if (!(error instanceof StoreUnavailableError)) throw error;
  }
}

/** Who holds a write, as far as is known. */
interface Holding {
  readonly holders: readonly string[];
  /** What the record was before contents were compared: that counts only if no write came between. */
  readonly before: RepositoryRecord | undefined;
  /**
   * Whose contents the holders' were found equal to. It has to be in sync still: one that has fallen
   * behind since may have been made like the others by a repair, without this write.
   */
  readonly equalTo?: string;
}

async function record(
  reference: string,
  holding: Holding & { readonly before: undefined },
  options: SettlementOptions,
): Promise<Settlement>;
async function record(
  reference: string,
  holding: Holding,
  options: SettlementOptions,
): Promise<Settlement | 'moving'>;
async function record(
  reference: string,
  holding: Holding,
  options: SettlementOptions,
): Promise<Settlement | 'moving'> {
  const { context, virtualStorage } = options;
  const settled = await recordPatiently(holding, options);
  if (settled.kind === 'moving') return 'moving';
  if (settled.kind === 'failed') return settled;
  const { minInSyncReplicas } = virtualStorage.policy;
  if (settled.held >= minInSyncReplicas)
    return { kind: 'recorded', reference, holders: holding.holders };
  context.metrics.underReplicatedWrite(virtualStorage.name);
  return {
    kind: 'failed',
    reason: `the write is on ${settled.held} of ${minInSyncReplicas} required replicas`,
  };
}

type Recorded =
  | { readonly kind: 'recorded'; readonly held: number }
  | { readonly kind: 'failed'; readonly reason: string }
  /** Another write was in flight while contents were compared. */
  | { readonly kind: 'moving' };

function recordPatiently(holding: Holding, options: SettlementOptions): Promise<Recorded> {
  return recordOnce(holding, options).catch((error: unknown) =>
    retryRecording(error, holding, options),
  );
}

async function recordOnce(
  { holders, before: compared, equalTo }: Holding,
  options: SettlementOptions,
): Promise<Recorded> {
  const { context, transaction } = options;
  const latest = context.view.latest(options.record);
  let before = latest;
  const outcome = await context.view.change<SettleRefusal | 'moving'>(latest, (current) => {
    before = current;
    if (compared !== undefined && !isSteady(compared, current, transaction)) return moving;
    const isTrusted = equalTo === undefined || inSyncVoters(current).includes(equalTo);
    return settleWrite(current, transaction, isTrusted ? holders : []);
  });
  if (outcome.kind === 'refused' && outcome.reason === 'moving') return { kind: 'moving' };
  if (outcome.kind === 'refused' && outcome.reason === 'overtaken') {
    leaveToOthers(options);
    return { kind: 'recorded', held: 0 };
  }
  if (outcome.kind !== 'changed') {
    return {
      kind: 'failed',
      reason: 'another proxy has settled the write; its outcome is unknown',
    };
  }
  const after = new Set(inSyncVoters(outcome.record));
  const dropped = inSyncVoters(before).filter((storage) => !after.has(storage));
  if (dropped.length > 0) {
    const { id, virtualStorage, relativePath } = outcome.record;
    context.logger.warn({ id, virtualStorage, relativePath, dropped }, 'replicas fell behind');
  }
  await context.view.departuresKnown(outcome.record);
  return { kind: 'recorded', held: heldBy(outcome.record, holders).length };
}

/** The store is away: goes on trying, for the client only up to a limit. */
async function retryRecording(
  error: unknown,
  holding: Holding,
  options: SettlementOptions,
): Promise<Recorded> {
  if (!(error instanceof StoreUnavailableError)) throw error;
  const { clock } = options.context;
  const giveUpAtMs = clock.monotonicMs() + recordLimitMs;
  while (clock.monotonicMs() < giveUpAtMs) {
    await sleep(clock, retryMs);
    try {
      return await recordOnce(holding, options);
    } catch (again) {
      if (!(again instanceof StoreUnavailableError)) throw again;
    }
  }
  void inBackground(options, async () => {
    const { kind } = await recordOnce(holding, options);
    if (kind === 'moving') leaveToOthers(options);
  });
  return { kind: 'failed', reason: `the write could not be recorded: ${error.message}` };
}

/** Which of the nodes have the same refs as the first one. */
async function withEqualContents(
  nodes: readonly string[],
  options: SettlementOptions,
): Promise<readonly string[]> {
  const checksums = await Promise.all(
    nodes.map((node) =>
      options.virtualStorage
        .control(node)
        .checksum(options.record.replicaPath)
        .catch(() => undefined),
    ),
  );
  const [expected] = checksums;
  return nodes.filter((_, index) => expected !== undefined && checksums[index] === expected);
}

function isCreation({ record, transaction }: SettlementOptions): boolean {
  return record.intents.some((own) => own.transaction === transaction && own.kind === 'creation');
}

async function giveIntentBack({ record, transaction, context }: SettlementOptions): Promise<void> {
  const latest = context.view.latest(record);
  await context.view.change(latest, (current) => dropIntent(current, transaction));
}

function leaveToOthers(options: SettlementOptions): void {
  const { record, transaction, context } = options;
  const { view, clock } = context;
  const runOutAtMs = clock.monotonicMs() + runOutMs;
  void inBackground(options, async () => {
    await sleep(clock, Math.max(0, runOutAtMs - clock.monotonicMs()));
    await view.change(view.latest(record), (current) => abandonIntent(current, transaction));
  });
}

/** Repeats `action` while the store is away, for as long as this proxy holds its lease at all. */
async function inBackground(
  { context, transaction }: SettlementOptions,
  action: () => Promise<unknown>,
): Promise<void> {
  const release = context.writes.hold(transaction);
  try {
    for (;;) {
      try {
        await action();
        return;
      } catch (error) {
        if (!(error instanceof StoreUnavailableError)) throw error;
        await sleep(context.clock, retryMs * 5);
      }
    }
  } catch (error) {
    context.logger.error({ transaction, err: errorMessage(error) }, 'a write is not settled');
  } finally {
    release();
  }
}

const unknown: Settlement = {
  kind: 'failed',
  reason: 'no replica finished the write; its outcome is unknown',
};
const calledOff: Settlement = { kind: 'unchanged', isCalledOff: true };
const moving = { kind: 'refuse', reason: 'moving' } as const;
