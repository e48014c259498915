import type { Ballot, NodeVotes, VotingState } from './voting.ts';

/** `failed`: the storage did not do what another one was ready to do. */
export type StorageEnd = 'done' | 'failed';

/**
 * What codes a storage ends with that could not do something. Others tell of the request, of a lock
 * that was in the way, of its time, or of a storage that stops and will be noticed by that. OK is
 * among them: git tells in the answer of a push that it has failed.
 */
const failureCodes: ReadonlySet<number> = new Set([
  0, // OK
  2, // UNKNOWN
  13, // INTERNAL
  15, // DATA_LOSS
]);

/**
 * How a write that has ended has ended on the voters, for those of which that tells something. Only
 * the comparison tells: what nobody was ready to do is wrong with the write, and what was refused to a
 * storage is no fault of its disk. Whose connection broke is noticed by that.
 *
 * @param tooLate those that were cut off since others waited for them
 */
export function endsOnStorages(
  { voters, nodes }: VotingState,
  tooLate: ReadonlySet<string>,
): ReadonlyMap<string, StorageEnd> {
  const ends = new Map<string, StorageEnd>();
  const isSomebodyReady = voters.some((voter) => nodes.get(voter)?.ballots.some(isPrepared));
  for (const voter of voters) {
    const node = nodes.get(voter);
    if (node === undefined) continue;
    if (tooLate.has(voter)) ends.set(voter, 'failed');
    else if (isDone(node)) ends.set(voter, 'done');
    else if (isSomebodyReady && couldNot(node)) ends.set(voter, 'failed');
  }
  return ends;
}

function isDone({ ballots, end }: NodeVotes): boolean {
  const isOk = end?.kind === 'finished' && end.code === 0;
  return isOk && ballots.some((ballot) => isPrepared(ballot) && ballot.answer === 'commit');
}

function couldNot({ ballots, end }: NodeVotes): boolean {
  if (end?.kind !== 'finished' || !failureCodes.has(end.code)) return false;
  return ballots.every((ballot) => !isPrepared(ballot) && ballot.answer === 'commit');
}

function isPrepared({ phase }: Ballot): boolean {
  return phase === 'prepared';
}
