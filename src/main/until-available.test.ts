import { describe, expect, test } from '@jest/globals';
import { ManualClock } from '../../test/support/manual-clock.ts';
import { StoreUnavailableError } from '../proxy/store/control-store.ts';
import { LogRecorder } from '../proxy/store/testing.ts';
import { untilAvailable } from './until-available.ts';

function setUp() {
  const clock = new ManualClock();
  const logger = new LogRecorder();
  const reasons = () =>
    logger.lines.map(({ fields }) => (fields as { readonly reason: string }).reason);
  return { clock, logger, reasons, options: { clock, logger, random: { next: () => 0.5 } } };
}

const away = (reason: string) => Promise.reject(new StoreUnavailableError(new Error(reason)));
const told = (reason: string) => `the control store cannot be reached: ${reason}`;

describe('waiting for the store', () => {
  test('is over when the action succeeds', async () => {
    const { clock, options, reasons } = setUp();
    let attempts = 0;
    const waiting = untilAvailable(options, () => {
      attempts += 1;
      return attempts < 4 ? away('refused') : Promise.resolve(attempts);
    });
    await clock.advance(3000);
    expect(await waiting).toBe(4);
    expect(reasons()).toEqual([told('refused')]);
  });

  test('says why whenever that changes, and else once in ten seconds', async () => {
    const { clock, options, reasons } = setUp();
    let reason = 'refused';
    const giveUp = new AbortController();
    const waiting = untilAvailable({ ...options, signal: giveUp.signal }, () => away(reason));
    await clock.advance(9000);
    expect(reasons()).toEqual([told('refused')]);
    await clock.advance(21_000);
    expect(reasons().length).toBeGreaterThanOrEqual(3);
    expect(reasons().length).toBeLessThanOrEqual(4);
    const before = reasons().length;
    reason = 'the database system is starting up';
    await clock.advance(6000);
    expect(reasons().slice(before)).toEqual([told(reason)]);
    giveUp.abort(new Error('told to stop'));
    await expect(waiting).rejects.toThrow('told to stop');
  });

  test('ends at once for any other failure', async () => {
    const { options, logger } = setUp();
    const action = () => Promise.reject(new Error('the schema is newer'));
    await expect(untilAvailable(options, action)).rejects.toThrow('the schema is newer');
    expect(logger.lines).toEqual([]);
  });
});
