import { afterEach, describe, expect, test } from '@jest/globals';
import { ManualClock } from '../../test/support/manual-clock.ts';
import { RecordingLogger } from '../../test/support/recording-logger.ts';
import { Scope } from '../base/scope.ts';
import { Reloaded } from './reloaded.ts';

let scope = new Scope();
afterEach(async () => {
  await scope.stop();
  scope = new Scope();
});

async function startReading(first: () => readonly string[]) {
  const clock = new ManualClock();
  const logger = new RecordingLogger();
  const files = { read: first };
  const read = async () => files.read();
  const reloaded = scope.own(await Reloaded.start({ read, clock, logger, intervalMs: 1000 }));
  return { clock, logger, files, reloaded };
}

function missing(): never {
  throw new Error('there is no file: make it');
}

describe('what is read from files', () => {
  test('is read again, and the same object as long as it says the same', async () => {
    const { clock, files, reloaded } = await startReading(() => ['one']);
    const first = reloaded.current;
    files.read = () => ['one'];
    await clock.advance(1000);
    expect(reloaded.current).toBe(first);
    files.read = () => ['two'];
    await clock.advance(1000);
    expect(reloaded.current).toEqual(['two']);
  });

  test('stays in use when it cannot be read again, with one warning for each problem', async () => {
    const { clock, files, logger, reloaded } = await startReading(() => ['one']);
    files.read = missing;
    await clock.advance(5000);
    expect(reloaded.current).toEqual(['one']);
    expect(logger.lines).toHaveLength(1);
    expect(logger.lines[0]).toContain(
      'there is no file: make it; what was read before stays in use',
    );
    files.read = () => ['two'];
    await clock.advance(1000);
    files.read = missing;
    await clock.advance(1000);
    expect(logger.lines).toHaveLength(2);
    expect(reloaded.current).toEqual(['two']);
  });

  test('is not read again after the stop', async () => {
    const { clock, files, reloaded } = await startReading(() => ['one']);
    await reloaded.stop();
    files.read = () => ['two'];
    await clock.advance(5000);
    expect(reloaded.current).toEqual(['one']);
  });

  test('has to be readable at first', async () => {
    await expect(startReading(missing)).rejects.toThrow('there is no file: make it');
  });
});
