import { describe, expect, it } from '@jest/globals';
import { fc } from '../../../test/support/properties.ts';
import {
  lateVoters,
  startVoting,
  stepVoting,
  type Answer,
  type VotePhase,
  type VotingEvent,
  type VotingState,
} from './voting.ts';

const three = { primary: 'a', voters: ['a', 'b', 'c'], learners: [], quorum: 2 };

/** Plays events and keeps the answers by ticket. */
class Play {
  state: VotingState;
  readonly answers = new Map<number, Answer>();
  #nextTicket = 1;

  constructor(options: Parameters<typeof startVoting>[0] = three) {
    this.state = startVoting(options);
  }

  send(event: VotingEvent): void {
    const { state, answers } = stepVoting(this.state, event);
    this.state = state;
    for (const { ticket, answer } of answers) {
      if (this.answers.has(ticket)) throw new Error(`ticket ${ticket} is answered twice`);
      this.answers.set(ticket, answer);
    }
  }

  /** Casts a vote and returns its ticket. */
  vote(node: string, phase: VotePhase, hash = 'x'): number {
    const ticket = this.#nextTicket++;
    this.send({ kind: 'voted', node, ticket, vote: { phase, hash } });
    return ticket;
  }

  durable(): void {
    this.send({ kind: 'intentDurable', voters: this.state.voters });
  }

  lose(node: string): void {
    this.send({ kind: 'ended', node, end: { kind: 'lost' } });
  }

  finish(node: string, code = 0): void {
    this.send({ kind: 'ended', node, end: { kind: 'finished', code } });
  }
}

describe('a PREPARED vote', () => {
  it('waits for every voter and for the intent', () => {
    const play = new Play();
    const tickets = ['a', 'b', 'c'].map((node) => play.vote(node, 'prepared'));
    expect(play.answers.size).toBe(0);
    play.durable();
    expect([...play.answers]).toEqual(tickets.map((ticket) => [ticket, 'commit']));
  });

  it('does not wait for a voter that has ended or has diverged', () => {
    for (const leave of [
      (play: Play) => play.lose('c'),
      (play: Play) => play.finish('c', 13),
      (play: Play) => play.vote('c', 'prepared', 'other'),
    ]) {
      const play = new Play();
      play.durable();
      const tickets = ['a', 'b'].map((node) => play.vote(node, 'prepared'));
      expect(lateVoters(play.state)).toEqual(['c']);
      leave(play);
      expect(lateVoters(play.state)).toEqual([]);
      expect(tickets.map((ticket) => play.answers.get(ticket))).toEqual(['commit', 'commit']);
    }
  });

  it('is refused if it comes after the decision, so that no voter has another order of writes', () => {
    const play = new Play();
    play.durable();
    play.vote('a', 'prepared');
    play.vote('b', 'prepared');
    play.lose('c');
    expect(play.answers.get(play.vote('c', 'prepared'))).toBe('abort');
  });

  it('has no late voters as long as the quorum is not reached', () => {
    const play = new Play();
    play.vote('a', 'prepared');
    expect(lateVoters(play.state)).toEqual([]);
  });

  it('does not count for the quorum if its node was lost before the decision', () => {
    const play = new Play();
    const primary = play.vote('a', 'prepared');
    play.vote('b', 'prepared');
    play.lose('b');
    play.lose('c');
    play.durable();
    expect(play.answers.get(primary)).toBe('abort');
  });

  it('is refused when the primary dies before the decision', () => {
    const play = new Play();
    play.durable();
    const waiting = play.vote('b', 'prepared');
    play.lose('a');
    expect(play.answers.get(waiting)).toBe('abort');
    expect(play.answers.get(play.vote('c', 'prepared'))).toBe('abort');
  });

  it('is refused when the quorum is out of reach', () => {
    const play = new Play();
    play.durable();
    const primary = play.vote('a', 'prepared');
    play.lose('b');
    expect(play.answers.size).toBe(0);
    play.finish('c', 13);
    expect(play.answers.get(primary)).toBe('abort');
  });

  it('is refused on every node when the intent is', () => {
    const play = new Play();
    const tickets = ['a', 'b', 'c'].map((node) => play.vote(node, 'prepared'));
    play.send({ kind: 'intentRefused' });
    expect(tickets.map((ticket) => play.answers.get(ticket))).toEqual(['abort', 'abort', 'abort']);
  });

  it('of a learner does not count', () => {
    const play = new Play({ primary: 'a', voters: ['a', 'b'], learners: ['c'], quorum: 2 });
    play.durable();
    play.vote('a', 'prepared');
    const learner = play.vote('c', 'prepared');
    expect(play.answers.size).toBe(0);
    play.vote('b', 'prepared');
    expect(play.answers.get(learner)).toBe('commit');
  });

  it('of a learner is not waited for, and passes late if it is the same', () => {
    const play = new Play({ primary: 'a', voters: ['a', 'b'], learners: ['c', 'd'], quorum: 2 });
    play.durable();
    play.vote('a', 'prepared');
    const decided = play.vote('b', 'prepared');
    expect(play.answers.get(decided)).toBe('commit');
    play.lose('a');
    expect(play.answers.get(play.vote('c', 'prepared'))).toBe('commit');
    expect(play.answers.get(play.vote('d', 'prepared', 'other'))).toBe('abort');
  });

  it('does not count for a voter that fell behind since the write was routed', () => {
    const play = new Play();
    const primary = play.vote('a', 'prepared');
    play.vote('b', 'prepared');
    play.send({ kind: 'intentDurable', voters: ['a', 'c'] });
    expect(play.answers.size).toBe(0);
    play.vote('c', 'prepared');
    expect(play.answers.get(primary)).toBe('commit');
  });
});

describe('votes that are not decided by quorum', () => {
  it('hold a secondary until the primary has cast the same: only it asks GitLab', () => {
    const play = new Play();
    const early = play.vote('b', 'synchronized');
    expect(play.answers.size).toBe(0);
    expect(play.answers.get(play.vote('a', 'synchronized'))).toBe('commit');
    expect(play.answers.get(early)).toBe('commit');
  });

  it('stop everywhere when GitLab refuses, and the final vote passes', () => {
    const play = new Play();
    const waiting = play.vote('b', 'synchronized');
    play.send({ kind: 'stopped' });
    expect(play.answers.get(waiting)).toBe('stop');
    expect(play.answers.get(play.vote('c', 'synchronized'))).toBe('stop');
    expect(play.answers.get(play.vote('a', 'committed', '00'))).toBe('commit');
  });

  it('release a secondary when the primary ends without casting its own', () => {
    const play = new Play();
    const waiting = play.vote('b', 'synchronized');
    play.finish('a', 7);
    expect(play.answers.get(waiting)).toBe('abort');
  });
});

describe('whatever happens', () => {
  const nodes = ['a', 'b', 'c', 'd'];
  const phases: readonly VotePhase[] = ['preparing', 'prepared', 'committed', 'synchronized'];
  const votes = fc.record({
    kind: fc.constant('vote' as const),
    node: fc.constantFrom(...nodes),
    phase: fc.constantFrom(...phases),
    // Mostly equal votes: otherwise nothing is ever decided.
    hash: fc.constantFrom('x', 'x', 'x', 'y'),
  });
  const others = fc.oneof(
    fc.record({ kind: fc.constant('lost' as const), node: fc.constantFrom(...nodes) }),
    fc.record({ kind: fc.constant('finished' as const), node: fc.constantFrom(...nodes) }),
    fc.constant({ kind: 'durable' as const }),
    fc.constant({ kind: 'refused' as const }),
    fc.constant({ kind: 'stopped' as const }),
  );
  const scripts = fc.array(fc.oneof({ weight: 4, arbitrary: votes }, others), { maxLength: 40 });

  it('only what the quorum agrees on, under a durable intent, is committed', () => {
    fc.assert(
      fc.property(scripts, fc.integer({ min: 1, max: 3 }), (script, quorum) => {
        const play = new Play({ primary: 'a', voters: ['a', 'b', 'c'], learners: ['d'], quorum });
        let intent: 'pending' | 'durable' | 'refused' = 'pending';
        for (const action of script) {
          const earlier = play.state;
          const before = committedPrepared(earlier);
          switch (action.kind) {
            case 'vote': {
              const node = play.state.nodes.get(action.node);
              const blocked = node?.ballots.some((ballot) => ballot.answer === undefined);
              if (node?.end === undefined && !blocked)
                play.vote(action.node, action.phase, action.hash);
              break;
            }
            case 'lost':
              play.lose(action.node);
              break;
            case 'finished':
              play.finish(action.node);
              break;
            case 'durable':
              if (intent !== 'pending') break;
              intent = 'durable';
              play.durable();
              break;
            case 'refused':
              if (intent !== 'pending') break;
              intent = 'refused';
              play.send({ kind: 'intentRefused' });
              break;
            case 'stopped':
              play.send({ kind: 'stopped' });
              break;
          }
          if (committedPrepared(play.state) > before) expect(intent).toBe('durable');
          expectQuorumBehindEveryCommit(play.state, quorum);
          expectVotersToPassTogether(earlier, play.state);
        }
        for (const node of nodes) {
          play.lose(node);
          for (const { answer } of play.state.nodes.get(node)?.ballots ?? []) {
            expect(answer).toBeDefined();
          }
        }
      }),
      { numRuns: 3000 },
    );
  });
});

function committedPrepared(state: VotingState): number {
  return [...state.nodes.values()].flatMap(({ ballots }) =>
    ballots.filter((ballot) => ballot.phase === 'prepared' && ballot.answer === 'commit'),
  ).length;
}

/** Once a position is decided no further voter passes it. */
function expectVotersToPassTogether(before: VotingState, after: VotingState): void {
  const passed = (state: VotingState, voter: string) =>
    state.nodes
      .get(voter)
      ?.ballots.flatMap(({ phase, answer }, position) =>
        phase === 'prepared' && answer === 'commit' ? [position] : [],
      ) ?? [];
  const decided = before.voters.flatMap((voter) => passed(before, voter));
  for (const voter of after.voters) {
    const already = passed(before, voter);
    for (const position of passed(after, voter)) {
      if (!already.includes(position)) expect(decided).not.toContain(position);
    }
  }
}

function expectQuorumBehindEveryCommit(state: VotingState, quorum: number): void {
  const primary = state.nodes.get(state.primary)?.ballots ?? [];
  for (const { ballots } of state.nodes.values()) {
    ballots.forEach((ballot, position) => {
      if (ballot.phase !== 'prepared' || ballot.answer !== 'commit') return;
      expect(primary[position]).toMatchObject({ phase: 'prepared', hash: ballot.hash });
      const agreeing = state.voters.filter((voter) => {
        const other = state.nodes.get(voter)?.ballots[position];
        return other?.phase === 'prepared' && other.hash === ballot.hash;
      });
      expect(agreeing.length).toBeGreaterThanOrEqual(quorum);
    });
  }
}
