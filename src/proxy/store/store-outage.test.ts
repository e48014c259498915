import { describe, expect, test } from '@jest/globals';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { StoreUnavailableError } from './control-store.ts';
import { StoreOutage } from './store-outage.ts';
import { LogRecorder } from './testing.ts';

const refused = new StoreUnavailableError(new Error('connect ECONNREFUSED 198.18.0.1:5432'));
const reason = 'the control store cannot be reached: connect ECONNREFUSED 198.18.0.1:5432';
const lost = 'the control store cannot be used; reads go on from what is known';
const still = 'the control store still cannot be used';
const back = 'the control store can be used again';

function setUp() {
  const clock = new ManualClock();
  const logger = new LogRecorder();
  const outage = new StoreOutage({ clock, logger });
  return { clock, logger, outage };
}

describe('an outage of the store', () => {
  test('is told once, with its reason and no stack, however much fails because of it', () => {
    const { logger, outage } = setUp();
    for (let count = 0; count < 100; count++) {
      outage.failed('changes', refused);
      outage.failed('lease', refused);
    }
    expect(logger.lines).toEqual([
      { level: 'warn', fields: { use: 'changes', reason }, message: lost },
    ]);
  });

  test('is told again once a minute, with what fails then', async () => {
    const { clock, logger, outage } = setUp();
    outage.failed('changes', new Error('terminated by the administrator'));
    for (let second = 0; second < 150; second++) {
      await clock.advance(1000);
      outage.failed('lease', refused);
    }
    const reminder = (awayMs: number) => ({
      level: 'warn',
      fields: { use: 'lease', reason, awayMs },
      message: still,
    });
    expect(logger.lines.slice(1)).toEqual([reminder(60_000), reminder(120_000)]);
  });

  test('is over, and told to be, when everything works that had failed', async () => {
    const { clock, logger, outage } = setUp();
    outage.failed('changes', refused);
    outage.failed('lease', refused);
    await clock.advance(1500);
    outage.worked('changes');
    outage.worked('repositories');
    expect(logger.lines).toHaveLength(1);
    await clock.advance(500);
    outage.worked('lease');
    outage.worked('lease');
    expect(logger.lines.slice(1)).toEqual([
      { level: 'info', fields: { awayMs: 2000 }, message: back },
    ]);
  });

  test('that follows another is told anew', async () => {
    const { clock, logger, outage } = setUp();
    outage.failed('lease', refused);
    outage.worked('lease');
    await clock.advance(10);
    outage.failed('lease', refused);
    await clock.advance(20);
    outage.worked('lease');
    expect(logger.lines.map(({ message }) => message)).toEqual([lost, back, lost, back]);
    expect(logger.lines.at(-1)?.fields).toEqual({ awayMs: 20 });
  });

  test('is no news as long as there is none', () => {
    const { logger, outage } = setUp();
    outage.worked('changes');
    expect(logger.lines).toEqual([]);
  });
});
