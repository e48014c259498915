import { assertNever, errorMessage } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { inSyncVoters, type Barrier, type RepositoryRecord } from '../routing/repository-record.ts';
import {
  makeAuthoritative,
  refuseAuthority,
  type AuthorityRefusal,
} from '../transactions/record-changes.ts';
import type { ControlCalls } from '../upstream/control-calls.ts';
import { underBarrier, type BarrierOptions } from './barrier.ts';

export interface AcceptLossOptions extends BarrierOptions {
  readonly virtualStorage: Storages;
  readonly logger: Logger;
}

/** What is needed of a virtual storage. */
interface Storages {
  readonly name: string;
  isSettling(): boolean;
  control(storage: string): Pick<ControlCalls, 'checksum'>;
}

export type AcceptLossOutcome =
  | { readonly kind: 'done' }
  /** It makes no sense, however often it is tried. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** It may work a little later. */
  | { readonly kind: 'busy'; readonly reason: string };

/** Writes are held back meanwhile. */
const answerLimitMs = 3000;

/**
 * Carries out a person's decision that the replica on `storage` is right from now on, whatever the others hold:
 * they are behind then, and are made like it. This is the one way by which acknowledged writes can be given up.
 *
 * 1. What makes no sense is refused, before anything is touched.
 * 2. New writes are held back. Those in flight end first, unless their owner is gone.
 * 3. The storage has to show that it has the repository. If its replica is behind, no storage that is in sync may
 *    have it too: then nothing has to be lost.
 * 4. The record changes in one step, in a new epoch. Intents of the dead are dropped, and whoever is about to
 *    write by the old record is refused.
 * 5. It is done when no other proxy reads from the other replicas any more.
 *
 * @throws StoreUnavailableError if the store does not answer; it may have happened all the same
 */
export async function acceptLoss(
  record: RepositoryRecord,
  storage: string,
  options: AcceptLossOptions,
): Promise<AcceptLossOutcome> {
  if (options.virtualStorage.isSettling()) {
    return { kind: 'busy', reason: 'this proxy has not heard of all its storages yet' };
  }
  const refusal = refuseAuthority(record, storage, noStorage);
  if (refusal === 'already') return { kind: 'done' };
  if (refusal !== undefined) return explain(refusal, storage);
  const outcome = await underBarrier(record, options, (quiet, barrier) =>
    acceptQuietly(quiet, barrier, storage, options),
  );
  if (outcome.kind === 'busy') return outcome;
  if (outcome.value.kind !== 'accepted') return outcome.value;
  await options.view.departuresKnown(outcome.value.record);
  return { kind: 'done' };
}

type Accepted = { readonly kind: 'accepted'; readonly record: RepositoryRecord };

async function acceptQuietly(
  quiet: RepositoryRecord,
  barrier: Barrier,
  storage: string,
  options: AcceptLossOptions,
): Promise<Accepted | AcceptLossOutcome> {
  const { view, membership, logger, virtualStorage } = options;
  const [chosen, ...others] = await Promise.all(
    [storage, ...inSyncVoters(quiet).filter((voter) => voter !== storage)].map((name) =>
      askFor(name, quiet.replicaPath, virtualStorage),
    ),
  );
  if (chosen?.checksum === undefined) {
    const reason = `storage ${storage} does not show that it has the repository: ${chosen?.failure}`;
    return { kind: 'refused', reason };
  }
  const holders = others.filter(({ checksum }) => checksum !== undefined).map(({ name }) => name);
  let before = quiet;
  const changed = await view.change(quiet, (current) => {
    before = current;
    return makeAuthoritative(current, {
      storage,
      barrier,
      holders: new Set(holders),
      isAbandoned: (work) => membership.isAbandoned(work),
    });
  });
  if (changed.kind === 'removed') return { kind: 'refused', reason: 'the repository was removed' };
  if (changed.kind === 'refused') return explain(changed.reason, storage, holders);
  const { id, relativePath, epoch } = changed.record;
  logger.warn(
    {
      id,
      virtualStorage: virtualStorage.name,
      relativePath,
      storage,
      epoch,
      checksum: chosen.checksum,
      before: before.replicas.map((replica) => `${replica.storage} ${replica.lsn}`),
      givenUp: before.lsn - lsnOf(before, storage),
      inDoubt: before.intents.length,
    },
    'a person has declared a replica to be right; what it lacks is given up',
  );
  return { kind: 'accepted', record: changed.record };
}

function lsnOf(record: RepositoryRecord, storage: string): bigint {
  return record.replicas.find((replica) => replica.storage === storage)?.lsn ?? -1n;
}

interface Shown {
  readonly name: string;
  readonly checksum?: string;
  readonly failure?: string;
}

async function askFor(name: string, replicaPath: string, virtualStorage: Storages): Promise<Shown> {
  try {
    return {
      name,
      checksum: await virtualStorage.control(name).checksum(replicaPath, answerLimitMs),
    };
  } catch (error) {
    return { name, failure: errorMessage(error) };
  }
}

const noStorage: ReadonlySet<string> = new Set();

/** For the person who asked: what is wrong, and what to do next. */
function explain(
  refusal: AuthorityRefusal,
  storage: string,
  holders: readonly string[] = [],
): AcceptLossOutcome {
  const refused = (reason: string) => ({ kind: 'refused', reason }) as const;
  switch (refusal) {
    case 'already':
      return { kind: 'done' };
    case 'noReplica':
      return refused(`storage ${storage} has no replica of the repository`);
    case 'neverInSync':
      return refused(
        `the replica on ${storage} has never been in sync: nobody can tell what it holds`,
      );
    case 'notNeeded':
      return refused(
        `nothing has to be lost, since these are in sync and answer: ${holders.join(', ')}. ` +
          'If their contents are damaged, take them down first',
      );
    case 'underRepair':
      return { kind: 'busy', reason: `the replica on ${storage} is being repaired` };
    case 'writesInFlight':
    case 'barrierGone':
      return { kind: 'busy', reason: 'the repository was changed meanwhile' };
    default:
      return assertNever(refusal);
  }
}
