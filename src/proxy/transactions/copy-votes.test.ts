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
  return { lease, writes, votes, vote };
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

it('a storage that was told to go on with a copy may not have heard it yet', () => {
  const { lease, writes, votes, vote } = start();
  expect(writes.unconfirmed).toEqual(new Set());
  vote();
  lease.isHeld = false;
  expect(writes.unconfirmed).toEqual(new Set(['a']));
  votes.end();
  expect(writes.unconfirmed).toEqual(new Set());
});

it('a storage that was refused a copy has nothing to hear', () => {
  const { lease, writes, vote } = start();
  lease.isHeld = false;
  vote();
  expect(writes.unconfirmed).toEqual(new Set());
});

it('a copy that nobody waits for any more is refused', () => {
  const { votes, vote } = start();
  votes.end();
  expect(vote()).toEqual([{ kind: 'unknownTransaction' }]);
});
