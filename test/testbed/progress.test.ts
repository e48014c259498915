import { describe, expect, it } from '@jest/globals';
import { inParallel, lineProgress, waitFor, waitUntil } from './progress.ts';

describe('waiting', () => {
  const options = { limitMs: 20, everyMs: 1 };

  it('returns what the probe found', async () => {
    let left = 3;
    const found = waitFor('a thing', { ...options, limitMs: 60_000 }, () => {
      left -= 1;
      return Promise.resolve(
        left === 0 ? { kind: 'done', value: 'thing' } : { kind: 'waiting', for: 'more' },
      );
    });
    await expect(found).resolves.toBe('thing');
  });

  it('gives up after its limit and says what it still waited for', async () => {
    const waiting = waitFor('the moon', options, () =>
      Promise.resolve({ kind: 'waiting' as const, for: 'clouds to pass' }),
    );
    await expect(waiting).rejects.toThrow('the moon after 0.02 s; last seen: clouds to pass');
  });

  it('ends at once when the probe fails or the signal is aborted', async () => {
    const failing = waitUntil('it', options, () => Promise.reject(new Error('broken')));
    await expect(failing).rejects.toThrow('broken');
    const signal = AbortSignal.abort(new Error('stopped'));
    await expect(waitUntil('it', { ...options, signal }, () => true)).rejects.toThrow('stopped');
  });
});

describe('doing things at once', () => {
  it('keeps the order of results', async () => {
    expect(await inParallel([3, 1, 2], (value) => Promise.resolve(value * 10))).toEqual([
      30, 10, 20,
    ]);
  });

  it('waits for all before it reports a failure', async () => {
    let finished = false;
    const doing = inParallel(['fails', 'works'], async (item) => {
      if (item === 'fails') throw new Error('first');
      await new Promise((resolve) => setImmediate(resolve));
      finished = true;
    });
    await expect(doing).rejects.toThrow('first');
    expect(finished).toBe(true);
  });
});

describe('progress in lines', () => {
  it('says when something is done, and nothing of it when it fails', async () => {
    const lines: string[] = [];
    const progress = lineProgress((line) => lines.push(line));
    expect(await progress.during('one', () => Promise.resolve(1))).toBe(1);
    await expect(progress.during('two', () => Promise.reject(new Error('no')))).rejects.toThrow(
      'no',
    );
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^ +\d+\.\d s {2}one: done in \d+\.\d s\n$/);
  });
});
