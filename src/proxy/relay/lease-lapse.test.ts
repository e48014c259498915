import { expect, test } from '@jest/globals';
import { RecordingLogger } from '../../../test/support/recording-logger.ts';
import { endDecisions } from './lease-lapse.ts';

function lapse(leftMs: number, unconfirmed: readonly string[]) {
  const logger = new RecordingLogger();
  const limits: (readonly [storage: string, limitMs: number])[] = [];
  const storage = (name: string) => ({
    name,
    confirmArrival: (limitMs: number) => void limits.push([name, limitMs]),
  });
  endDecisions(leftMs, {
    writes: { unconfirmed: new Set(unconfirmed) },
    storages: { all: [{ storages: [storage('a'), storage('b')] }, { storages: [storage('c')] }] },
    logger,
  });
  return { limits, entries: logger.entries };
}

test('storages that may not have heard a decision get half of the time that is left', () => {
  const { limits, entries } = lapse(600, ['c', 'a']);
  expect(limits).toEqual([
    ['a', 300],
    ['c', 300],
  ]);
  expect(entries).toEqual([
    expect.objectContaining({ level: 'warn', fields: { storages: ['a', 'c'] } }),
  ]);
});

test('nothing happens if all have heard', () => {
  expect(lapse(600, [])).toEqual({ limits: [], entries: [] });
});
