import { describe, expect, it } from '@jest/globals';
import { judge } from './outcome.ts';
import { startVoting, stepVoting, type VotingEvent, type VotingState } from './voting.ts';

function play(events: readonly VotingEvent[]): VotingState {
  const start = startVoting({ primary: 'a', voters: ['a', 'b', 'c'], learners: [], quorum: 2 });
  return events.reduce((state, event) => stepVoting(state, event).state, start);
}

let ticket = 0;
const voted = (node: string, phase: 'prepared' | 'committed', hash = 'x'): VotingEvent => ({
  kind: 'voted',
  node,
  ticket: ++ticket,
  vote: { phase, hash },
});
const finished = (node: string, code = 0): VotingEvent => ({
  kind: 'ended',
  node,
  end: { kind: 'finished', code },
});
const lost = (node: string): VotingEvent => ({ kind: 'ended', node, end: { kind: 'lost' } });
const unprocessed = (node: string): VotingEvent => ({
  kind: 'ended',
  node,
  end: { kind: 'unprocessed' },
});
const durable: VotingEvent = { kind: 'intentDurable', voters: ['a', 'b', 'c'] };
const wholeWrite = (node: string) => [voted(node, 'prepared'), voted(node, 'committed')];

describe('the outcome of a write', () => {
  it('is that nothing changed if no node was told to commit', () => {
    const state = play([finished('a', 13), finished('b', 13), lost('c')]);
    expect(judge(state, true)).toEqual({ kind: 'unchanged', isCalledOff: false });
  });

  it('tells that the primary failed only because it was refused', () => {
    const state = play([voted('a', 'prepared'), lost('b'), lost('c'), finished('a', 13)]);
    expect(judge(state, true)).toEqual({ kind: 'unchanged', isCalledOff: true });
  });

  it('counts every node that did the same as a holder', () => {
    const state = play([
      durable,
      ...['a', 'b', 'c'].flatMap(wholeWrite),
      ...['a', 'b', 'c'].map((node) => finished(node)),
    ]);
    expect(judge(state, true)).toEqual({
      kind: 'committed',
      reference: 'a',
      holders: ['a', 'b', 'c'],
    });
  });

  it('leaves out nodes that were lost, failed otherwise, or voted differently', () => {
    const state = play([
      durable,
      ...wholeWrite('a'),
      ...wholeWrite('b'),
      voted('c', 'prepared', 'other'),
      finished('a'),
      finished('b', 13),
      finished('c', 13),
    ]);
    expect(judge(state, true)).toMatchObject({ reference: 'a', holders: ['a'] });
  });

  it('stands by the nodes that finished when the primary dies after the decision', () => {
    const state = play([
      durable,
      voted('a', 'prepared'),
      voted('b', 'prepared'),
      voted('c', 'prepared'),
      lost('a'),
      voted('b', 'committed'),
      voted('c', 'committed'),
      finished('b'),
      finished('c'),
    ]);
    expect(judge(state, true)).toEqual({
      kind: 'committed',
      reference: 'b',
      holders: ['b', 'c'],
    });
  });

  it('is in doubt if all that were told to commit were lost', () => {
    const state = play([
      durable,
      voted('a', 'prepared'),
      voted('b', 'prepared'),
      finished('c', 13),
      lost('a'),
      lost('b'),
    ]);
    expect(judge(state, true)).toEqual({ kind: 'inDoubt' });
  });

  it('has to be compared where changes need no vote', () => {
    const state = play([finished('a'), lost('b'), finished('c')]);
    expect(judge(state, false)).toEqual({
      kind: 'unverified',
      finished: ['a', 'c'],
      isCalledOff: false,
    });
  });

  it('is that nothing changed if all that got the call asked and were refused', () => {
    const state = play([
      durable,
      voted('b', 'prepared'),
      unprocessed('a'),
      voted('c', 'prepared'),
      finished('b', 13),
      lost('c'),
    ]);
    expect(judge(state, false)).toEqual({ kind: 'unchanged', isCalledOff: false });
  });

  it('is that those have not changed that asked, if the others were lost', () => {
    const events = [durable, voted('b', 'prepared'), unprocessed('c'), lost('a')];
    expect(judge(play([...events, finished('b', 13)]), false)).toEqual({
      kind: 'calledOff',
      unchanged: ['b', 'c'],
    });
  });

  it('has to be compared if a node finished that did not ask', () => {
    const events = [durable, voted('b', 'prepared'), lost('a'), finished('b', 13), finished('c')];
    expect(judge(play(events), false)).toEqual({
      kind: 'unverified',
      finished: ['b', 'c'],
      isCalledOff: true,
    });
  });
});
