import { describe, expect, it } from '@jest/globals';
import { fc } from '../../../test/support/properties.ts';
import { endsOnStorages } from './storage-ends.ts';
import type { Answer, Ballot, NodeEnd, NodeVotes, VotingState } from './voting.ts';

const voters = ['a', 'b', 'c'];
const ok: NodeEnd = { kind: 'finished', code: 0 };
const failed: NodeEnd = { kind: 'finished', code: 13 };

function ballot(phase: Ballot['phase'], answer: Answer): Ballot {
  return { phase, hash: 'aa', ticket: 1, answer };
}

function ended(end: NodeEnd, ...ballots: readonly Ballot[]): NodeVotes {
  return { ballots, end };
}

function endsOf(nodes: readonly NodeVotes[], tooLate: readonly string[] = []) {
  const state: VotingState = {
    primary: 'a',
    voters,
    quorum: 2,
    intent: 'durable',
    stopped: false,
    nodes: new Map(nodes.map((node, index) => [voters[index] ?? 'learner', node])),
  };
  return Object.fromEntries(endsOnStorages(state, new Set(tooLate)));
}

const committed = ended(ok, ballot('prepared', 'commit'));
const aborted = ended(failed, ballot('prepared', 'abort'));

describe('how a write has ended on its voters', () => {
  it('says that it was done, where it was', () => {
    expect(endsOf([committed, committed, committed])).toEqual({ a: 'done', b: 'done', c: 'done' });
  });

  it('says that one failed that ended with an error before others were ready', () => {
    expect(endsOf([ended(failed), aborted, aborted])).toEqual({ a: 'failed' });
    expect(endsOf([committed, committed, ended(failed)])).toEqual({
      a: 'done',
      b: 'done',
      c: 'failed',
    });
  });

  it('says that one failed whose git has told the client so in its answer', () => {
    expect(endsOf([ended(ok, ballot('preparing', 'commit')), aborted, aborted])).toEqual({
      a: 'failed',
    });
  });

  it('says that one failed that was too late', () => {
    expect(endsOf([committed, committed, ended({ kind: 'lost' })], ['c'])).toMatchObject({
      c: 'failed',
    });
  });

  it('says nothing where nobody was ready: the write itself is wrong', () => {
    expect(endsOf([ended(failed), ended(failed), ended(failed)])).toEqual({});
    expect(endsOf([ended(ok), ended(ok), ended(ok)])).toEqual({});
  });

  it.each([
    ['was refused', ended(failed, ballot('synchronized', 'stop'))],
    ['was lost with its connection', ended({ kind: 'lost' })],
    ['took no call', ended({ kind: 'unprocessed' })],
    ['met a lock', ended({ kind: 'finished', code: 10 })],
    ['was out of time', ended({ kind: 'finished', code: 4 })],
    ['stops', ended({ kind: 'finished', code: 14 })],
  ])('says nothing of one that %s', (_what, node) => {
    expect(endsOf([aborted, node, aborted])).toEqual({});
  });

  it('says nothing of learners, and never that all have failed but those that were too late', () => {
    const anyBallot = fc
      .tuple(
        fc.constantFrom<Ballot['phase']>('preparing', 'prepared', 'synchronized', 'committed'),
        fc.constantFrom<Answer>('commit', 'abort', 'stop'),
      )
      .map(([phase, answer]) => ballot(phase, answer));
    const anyEnd = fc.constantFrom<NodeEnd>(ok, failed, { kind: 'lost' }, { kind: 'unprocessed' });
    const anyNode = fc
      .tuple(anyEnd, fc.array(anyBallot, { maxLength: 4 }))
      .map(([end, ballots]) => ended(end, ...ballots));
    fc.assert(
      fc.property(fc.array(anyNode, { minLength: 4, maxLength: 4 }), (nodes) => {
        const ends = endsOf(nodes);
        expect(voters).toEqual(expect.arrayContaining(Object.keys(ends)));
        expect(Object.values(ends).filter((end) => end === 'failed').length).toBeLessThan(3);
      }),
    );
  });
});
