import { describe, expect, it } from '@jest/globals';
import { TurnEnd } from './turn-end.ts';

const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('the end of a turn', () => {
  it('runs what was deferred in order, and microtasks only after all of it', async () => {
    const { defer } = new TurnEnd();
    const ran: string[] = [];
    for (const name of ['first', 'second']) {
      defer(() => {
        ran.push(name);
        queueMicrotask(() => ran.push(`after ${name}`));
      });
    }
    expect(ran).toEqual([]);
    await nextTurn();
    expect(ran).toEqual(['first', 'second', 'after first', 'after second']);
  });

  it('runs what a callback defers in the next turn', async () => {
    const { defer } = new TurnEnd();
    const ran: string[] = [];
    defer(() => {
      ran.push('now');
      defer(() => ran.push('later'));
    });
    await nextTurn();
    expect(ran).toEqual(['now']);
    await nextTurn();
    expect(ran).toEqual(['now', 'later']);
  });
});
