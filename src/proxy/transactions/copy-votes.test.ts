import { expect, it } from '@jest/globals';
import { takeCopyVotes } from './copy-votes.ts';
import { WriteRegistry, type VoteResult } from './write-registry.ts';

function start() {
  const lease = { leaseTerm: 1, isHeld: true };
  const writes = new WriteRegistry();
  const votes = takeCopyVotes(writes, {
    leaseTerm: lease.leaseTerm,
    hasHeldLeaseSince: (term) => lease.isHeld && lease.leaseTerm === term,
  });
  const vote = () => {
    const results: VoteResult[] = [];
    const cast = { phase: 'prepared', hash: 'aa' } as const;
    writes.vote(votes.transaction, 'a', cast, (result) => results.push(result));
    return results;
  };
  return { lease, votes, vote };
}

const commit = [{ kind: 'answered', answer: 'commit' }];
const abort = [{ kind: 'answered', answer: 'abort' }];

it('a copy goes on while the lease is held', () => {
  const { vote } = start();
  expect([vote(), vote()]).toEqual([commit, commit]);
});

it('a copy is refused once the lease may have run out, also when there is a new one', () => {
  const { lease, vote } = start();
  lease.isHeld = false;
  expect(vote()).toEqual(abort);
  lease.isHeld = true;
  lease.leaseTerm = 2;
  expect(vote()).toEqual(abort);
});

it('a copy that nobody waits for any more is refused', () => {
  const { votes, vote } = start();
  votes.end();
  expect(vote()).toEqual([{ kind: 'unknownTransaction' }]);
});
