import { describe, expect, it } from '@jest/globals';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { ActiveWrite } from './active-write.ts';
import type { WriteOutcome } from './outcome.ts';
import type { Answer } from './voting.ts';

function start(options: { readonly changesNeedVotes?: boolean } = {}) {
  const clock = new ManualClock();
  const cutOff: string[] = [];
  const outcomes: WriteOutcome[] = [];
  const write = new ActiveWrite({
    primary: 'a',
    voters: ['a', 'b', 'c'],
    learners: [],
    quorum: 2,
    changesNeedVotes: true,
    clock,
    mayCommit: () => true,
    onFirstVote() {},
    onStraggler: (node) => cutOff.push(node),
    onEnded: (outcome) => outcomes.push(outcome),
    stragglerLimitMs: 5000,
    ...options,
  });
  write.intentDurable(['a', 'b', 'c']);
  return { clock, cutOff, outcomes, write };
}

const prepared = { phase: 'prepared', hash: 'aa' } as const;

describe('a write whose primary is lost', () => {
  it('ends at once while nothing is decided: the others may wait for a client that waits for it', () => {
    const { cutOff, outcomes, write } = start();
    const answers: Answer[] = [];
    write.vote('b', prepared, (answer) => answers.push(answer));
    write.end('a', { kind: 'lost' });
    expect(answers).toEqual(['abort']);
    expect(cutOff).toEqual(['b', 'c']);
    expect(outcomes).toEqual([{ kind: 'unchanged' }]);
  });

  it('lets the others finish what was decided', () => {
    const { cutOff, outcomes, write } = start();
    for (const node of ['a', 'b']) write.vote(node, prepared, () => {});
    write.end('a', { kind: 'lost' });
    expect(cutOff).toEqual([]);
    write.end('b', { kind: 'finished', code: 0 });
    write.end('c', { kind: 'finished', code: 13 });
    expect(outcomes).toEqual([expect.objectContaining({ kind: 'committed', reference: 'b' })]);
  });

  it('gives them a limited time for that', async () => {
    const { clock, cutOff, outcomes, write } = start();
    for (const node of ['a', 'b']) write.vote(node, prepared, () => {});
    write.end('a', { kind: 'lost' });
    await clock.advance(4999);
    expect(cutOff).toEqual([]);
    await clock.advance(1);
    expect(cutOff).toEqual(['b', 'c']);
    expect(outcomes).toHaveLength(1);
  });

  it('lets the others finish what they do without votes', () => {
    const { cutOff, write } = start({ changesNeedVotes: false });
    write.end('a', { kind: 'lost' });
    expect(cutOff).toEqual([]);
  });
});
