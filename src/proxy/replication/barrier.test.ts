import { describe, expect, it } from '@jest/globals';
import { intentOf } from '../../../test/support/repository-records.ts';
import { underBarrier } from './barrier.ts';
import { startRepairing } from './testing.ts';

describe('a barrier', () => {
  it('stands while the action runs, and is lowered after it', async () => {
    const { record, current, options } = await startRepairing({});
    const outcome = await underBarrier(record, options, async (quiet, barrier) => {
      expect(current()?.barrier).toEqual(barrier);
      expect(quiet.barrier).toEqual(barrier);
      return 'value';
    });
    expect(outcome).toEqual({ kind: 'done', value: 'value' });
    expect(current()?.barrier).toBeUndefined();
  });

  it('is lowered when the action fails', async () => {
    const { record, current, options } = await startRepairing({});
    const failure = new Error('failed');
    const running = underBarrier(record, options, () => Promise.reject(failure));
    await expect(running).rejects.toBe(failure);
    expect(current()?.barrier).toBeUndefined();
  });

  it('keeps out the same proxy too, until it has run out', async () => {
    const { record, current, options } = await startRepairing({});
    const outcome = await underBarrier(record, options, async (quiet) => {
      const inner = await underBarrier(quiet, options, () => Promise.resolve());
      expect(inner).toMatchObject({ kind: 'busy' });
      await options.clock.advance(10_000);
      return underBarrier(quiet, options, async () => {
        expect(current()?.barrier?.expiresAtMs).toBe(options.clock.wallMs() + 10_000);
      });
    });
    expect(outcome).toMatchObject({ kind: 'done', value: { kind: 'done' } });
  });

  it('waits until writes in flight have ended', async () => {
    const { record, current, change, options } = await startRepairing({ intents: [intentOf('t')] });
    let quietIntents: number | undefined;
    const running = underBarrier(record, options, async (quiet) => {
      quietIntents = quiet.intents.length;
    });
    await options.clock.advance(100);
    expect(quietIntents).toBeUndefined();
    const latest = current();
    if (latest === undefined) throw new Error('the record is gone');
    change({ ...latest, intents: [] });
    await options.clock.advance(100);
    await running;
    expect(quietIntents).toBe(0);
  });

  it('gives up after 3 s with a write that does not end', async () => {
    const { record, current, options } = await startRepairing({ intents: [intentOf('t')] });
    const running = underBarrier(record, options, () => Promise.reject(new Error('not reached')));
    await options.clock.advance(3100);
    expect(await running).toMatchObject({ kind: 'busy' });
    expect(current()?.barrier).toBeUndefined();
  });

  it('does not wait for writes whose owner is gone', async () => {
    const intents = [intentOf('t', { owner: 'gone' })];
    const { record, options } = await startRepairing({ intents });
    const outcome = await underBarrier(record, options, async (quiet) => quiet.intents.length);
    expect(outcome).toEqual({ kind: 'done', value: 1 });
  });

  it('does not take a proxy for gone that has started a moment ago', async () => {
    const intents = [intentOf('t', { owner: 'proxy-2' })];
    const { record, options } = await startRepairing({ intents }, ['proxy-2']);
    const running = underBarrier(record, options, () => Promise.reject(new Error('not reached')));
    await options.clock.advance(3100);
    expect(await running).toMatchObject({ kind: 'busy' });
  });
});
