import { describe, expect, it } from '@jest/globals';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { ActiveWrite, type ActiveWriteOptions } from './active-write.ts';
import type { WriteOutcome } from './outcome.ts';
import type { Answer } from './voting.ts';

const nodes = ['a', 'b', 'c'];

function start(options: Partial<ActiveWriteOptions> = {}, hasIntent = true) {
  const clock = new ManualClock();
  const cutOff: string[] = [];
  const outcomes: WriteOutcome[] = [];
  const write = new ActiveWrite({
    primary: 'a',
    voters: nodes,
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
  if (hasIntent) write.intentDurable(nodes);
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
    expect(outcomes).toEqual([{ kind: 'unchanged', isCalledOff: false }]);
  });

  it('lets the others finish what was decided', () => {
    const { cutOff, outcomes, write } = start();
    for (const node of nodes) write.vote(node, prepared, () => {});
    write.end('a', { kind: 'lost' });
    expect(cutOff).toEqual([]);
    write.end('b', { kind: 'finished', code: 0 });
    write.end('c', { kind: 'finished', code: 13 });
    expect(outcomes).toEqual([expect.objectContaining({ kind: 'committed', reference: 'b' })]);
  });

  it('gives them a limited time for that', async () => {
    const { clock, cutOff, outcomes, write } = start();
    for (const node of nodes) write.vote(node, prepared, () => {});
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

describe('who may not have heard a decision yet', () => {
  const committed = { phase: 'committed', hash: 'aa' } as const;

  it('is nobody before it', () => {
    const { write } = start();
    for (const node of ['a', 'b']) write.vote(node, prepared, () => {});
    expect(write.unconfirmed).toEqual([]);
  });

  it('is everybody who was told of it and has not voted since, or finished', () => {
    const { write } = start();
    for (const node of nodes) write.vote(node, prepared, () => {});
    expect(write.unconfirmed).toEqual(nodes);
    write.vote('a', committed, () => {});
    expect(write.unconfirmed).toEqual(['b', 'c']);
    write.end('b', { kind: 'finished', code: 0 });
    expect(write.unconfirmed).toEqual(['c']);
    write.end('c', { kind: 'lost' });
    expect(write.unconfirmed).toEqual(['c']);
  });

  it('is everybody who has not finished, if no vote is needed', () => {
    const { write } = start({ changesNeedVotes: false });
    write.end('c', { kind: 'finished', code: 0 });
    expect(write.unconfirmed).toEqual(['a', 'b']);
  });
});

describe('a voter that is later than the others', () => {
  it('is waited for, and takes part if it comes within 750 ms', async () => {
    const { clock, cutOff, write } = start();
    const answers: Answer[] = [];
    for (const node of ['a', 'b']) write.vote(node, prepared, (answer) => answers.push(answer));
    await clock.advance(749);
    expect(answers).toEqual([]);
    write.vote('c', prepared, (answer) => answers.push(answer));
    expect(answers).toEqual(['commit', 'commit', 'commit']);
    await clock.advance(1000);
    expect(cutOff).toEqual([]);
  });

  it('is cut off after that and refused, and the write goes on', async () => {
    const { clock, cutOff, outcomes, write } = start();
    const answers: Answer[] = [];
    for (const node of ['a', 'b']) write.vote(node, prepared, (answer) => answers.push(answer));
    await clock.advance(750);
    expect(cutOff).toEqual(['c']);
    expect(answers).toEqual(['commit', 'commit']);
    write.vote('c', prepared, (answer) => answers.push(answer));
    expect(answers).toEqual(['commit', 'commit', 'abort']);
    for (const node of ['a', 'b']) write.end(node, { kind: 'finished', code: 0 });
    expect(outcomes).toEqual([expect.objectContaining({ holders: ['a', 'b'] })]);
  });

  it('gets as long again as the others needed, at most 5 s', async () => {
    for (const [neededMs, limitMs] of [
      [2000, 2000],
      [60_000, 5000],
    ] as const) {
      const { clock, cutOff, write } = start();
      await clock.advance(neededMs);
      for (const node of ['a', 'b']) write.vote(node, prepared, () => {});
      await clock.advance(limitMs - 1);
      expect(cutOff).toEqual([]);
      await clock.advance(1);
      expect(cutOff).toEqual(['c']);
    }
  });

  it('gets 5 s if it is needed when another has gone that is being drained', async () => {
    const { clock, cutOff, write } = start({ isDraining: (node) => node === 'b' });
    for (const node of ['a', 'b']) write.vote(node, prepared, () => {});
    await clock.advance(4999);
    expect(cutOff).toEqual([]);
    await clock.advance(1);
    expect(cutOff).toEqual(['c']);
  });

  it('gets no more than usual if it is the one that is being drained', async () => {
    const { clock, cutOff, write } = start({ isDraining: (node) => node === 'c' });
    for (const node of ['a', 'b']) write.vote(node, prepared, () => {});
    await clock.advance(750);
    expect(cutOff).toEqual(['c']);
  });

  it('gets the time that it is given where nobody waits', async () => {
    const limits = { lateLimitMs: 600_000, stragglerLimitMs: 600_000 };
    const { clock, cutOff, write } = start(limits);
    for (const node of ['a', 'b']) write.vote(node, prepared, () => {});
    await clock.advance(599_999);
    write.vote('c', prepared, () => {});
    for (const node of ['a', 'b']) write.end(node, { kind: 'finished', code: 0 });
    await clock.advance(599_999);
    expect(cutOff).toEqual([]);
    await clock.advance(1);
    expect(cutOff).toEqual(['c']);
  });

  it('is not cut off while the quorum is out of reach without it', async () => {
    const { clock, cutOff, write } = start();
    write.vote('a', prepared, () => {});
    await clock.advance(60_000);
    expect(cutOff).toEqual([]);
  });

  it('gets its own time in each round', async () => {
    const { clock, cutOff, write } = start();
    for (const node of nodes) write.vote(node, prepared, () => {});
    await clock.advance(700);
    for (const node of ['a', 'b']) write.vote(node, prepared, () => {});
    await clock.advance(749);
    expect(cutOff).toEqual([]);
    await clock.advance(1);
    expect(cutOff).toEqual(['c']);
  });
});

describe('a primary for whose vote the others wait', () => {
  it('is cut off after 5 s, which calls the write off, and is said to fail writes', async () => {
    const { clock, cutOff, outcomes, write } = start();
    const answers: Answer[] = [];
    for (const node of ['b', 'c']) write.vote(node, prepared, (answer) => answers.push(answer));
    await clock.advance(4999);
    expect(cutOff).toEqual([]);
    await clock.advance(1);
    expect(cutOff[0]).toBe('a');
    expect(answers).toEqual(['abort', 'abort']);
    expect(outcomes).toEqual([{ kind: 'unchanged', isCalledOff: false }]);
    expect(write.storageEnds).toEqual(new Map([['a', 'failed']]));
  });

  it('gets twice as long as they needed, if that is more', async () => {
    const { clock, cutOff, write } = start();
    await clock.advance(60_000);
    write.vote('b', prepared, () => {});
    await clock.advance(119_999);
    expect(cutOff).toEqual([]);
    await clock.advance(1);
    expect(cutOff[0]).toBe('a');
  });

  it('is not cut off if it votes, or if too few wait for it', async () => {
    for (const quorum of [2, 3]) {
      const { clock, cutOff, write } = start({ quorum });
      write.vote('b', prepared, () => {});
      if (quorum === 2) {
        await clock.advance(4999);
        for (const node of ['a', 'c']) write.vote(node, prepared, () => {});
      }
      await clock.advance(60_000);
      expect(cutOff).toEqual([]);
    }
  });
});

describe('a node that fails early', () => {
  it('does not end a long write for the others', async () => {
    const { clock, cutOff, write } = start();
    write.end('b', { kind: 'finished', code: 13 });
    write.end('c', { kind: 'lost' });
    await clock.advance(60_000);
    expect(cutOff).toEqual([]);
  });
});

describe('a learner', () => {
  it('is not waited for when all voters have ended', async () => {
    const { clock, cutOff, outcomes, write } = start({ learners: ['d'] });
    for (const node of nodes) write.vote(node, prepared, () => {});
    for (const node of nodes) write.end(node, { kind: 'finished', code: 0 });
    await clock.advance(749);
    expect(outcomes).toEqual([]);
    await clock.advance(1);
    expect(cutOff).toEqual(['d']);
    expect(outcomes).toEqual([expect.objectContaining({ holders: nodes })]);
  });
});

describe('a write of which storages have certainly seen nothing', () => {
  it('has changed nothing if that goes for all, although it needs no votes to change something', () => {
    const { write, outcomes } = start({ changesNeedVotes: false });
    for (const node of nodes) write.end(node, { kind: 'unprocessed' });
    expect(outcomes).toEqual([{ kind: 'unchanged', isCalledOff: false }]);
  });

  it('may have changed something if one has seen it', () => {
    const { write, outcomes } = start({ changesNeedVotes: false });
    for (const node of ['a', 'b']) write.end(node, { kind: 'unprocessed' });
    write.end('c', { kind: 'finished', code: 0 });
    expect(outcomes).toEqual([{ kind: 'unverified', finished: ['c'], isCalledOff: false }]);
  });
});

describe('a proxy whose lease may have run out', () => {
  it('commits nothing, also if it hears only then that the intent is durable', () => {
    for (const hasIntent of [true, false]) {
      let isHeld = true;
      const { outcomes, write } = start({ mayCommit: () => isHeld }, hasIntent);
      const answers: Answer[] = [];
      const vote = (node: string) => write.vote(node, prepared, (answer) => answers.push(answer));
      vote('a');
      vote('b');
      isHeld = false;
      if (!hasIntent) write.intentDurable(nodes);
      vote('c');
      expect(answers).toEqual(['abort', 'abort', 'abort']);
      for (const node of nodes) write.end(node, { kind: 'finished', code: 13 });
      expect(outcomes).toEqual([{ kind: 'unchanged', isCalledOff: true }]);
    }
  });
});

describe('what a write cannot do without', () => {
  it('is its primary, and each voter when no other is left over', () => {
    const { write } = start();
    const needed = () => nodes.filter((node) => write.needs(node));
    expect(needed()).toEqual(['a']);
    write.end('c', { kind: 'lost' });
    expect(needed()).toEqual(['a', 'b']);
    write.vote('b', prepared, () => {});
    write.end('b', { kind: 'finished', code: 0 });
    expect(needed()).toEqual(['a']);
  });

  it('is each voter too if another one has done something else', () => {
    const { write } = start();
    for (const node of ['a', 'b']) write.vote(node, prepared, () => {});
    write.vote('c', { ...prepared, hash: 'bb' }, () => {});
    expect(nodes.filter((node) => write.needs(node))).toEqual(['a', 'b']);
  });

  it('is never a learner', () => {
    const { write } = start({ voters: ['a', 'b'], learners: ['c'] }, false);
    expect(nodes.filter((node) => write.needs(node))).toEqual(['a', 'b']);
  });
});

describe('a write of a proxy that was fenced, whose intent can be taken anew', () => {
  function fenced() {
    let isHeld = true;
    let retaken = 0;
    const options = { mayCommit: () => isHeld, retakeIntent: () => (retaken += 1) > 0 };
    const started = start(options);
    const answers: Answer[] = [];
    const vote = (node: string) =>
      started.write.vote(node, prepared, (answer) => answers.push(answer));
    vote('a');
    vote('b');
    isHeld = false;
    vote('c');
    expect(answers).toEqual([]);
    expect(retaken).toBe(1);
    const hold = () => {
      isHeld = true;
    };
    return { ...started, answers, hold };
  }

  it('is decided when it has been', () => {
    const { answers, hold, write } = fenced();
    hold();
    write.intentDurable(nodes);
    expect(answers).toEqual(['commit', 'commit', 'commit']);
  });

  it('is refused if it cannot be', () => {
    const { answers, write } = fenced();
    write.intentRefused();
    expect(answers).toEqual(['abort', 'abort', 'abort']);
  });
});

describe('a write that was decided before this proxy was fenced', () => {
  it('has its hooks run to their end, and nothing more committed', () => {
    let holdsLease = true;
    const { write } = start({ mayCommit: () => holdsLease });
    const answers: Answer[] = [];
    for (const node of nodes) write.vote(node, prepared, (answer) => answers.push(answer));
    holdsLease = false;
    const hook = { phase: 'synchronized', hash: 'bb' } as const;
    for (const node of nodes) write.vote(node, hook, (answer) => answers.push(answer));
    for (const node of nodes) write.vote(node, prepared, (answer) => answers.push(answer));
    expect(answers.slice(0, 6)).toEqual(Array.from({ length: 6 }, () => 'commit'));
    expect(answers.slice(6)).toEqual(['abort', 'abort', 'abort']);
  });
});
