import { expect, test } from '@jest/globals';
import { PhaseRecord } from './storage-phases.ts';

test('keeps one bar for each phase but serving, and ends those that go on with the present', () => {
  let nowMs = 0;
  const record = new PhaseRecord(() => nowMs);
  record.note(0, 'serving');
  record.note(0, 'drained');
  nowMs = 5;
  record.note(0, 'drained');
  record.note(1, 'away');
  nowMs = 10;
  record.note(0, 'away');
  nowMs = 20;
  record.note(0, 'serving');
  nowMs = 30;
  expect(record.bars()).toEqual([
    { storage: 0, phase: 'drained', fromMs: 0, toMs: 10 },
    { storage: 0, phase: 'away', fromMs: 10, toMs: 20 },
    { storage: 1, phase: 'away', fromMs: 5, toMs: 30 },
  ]);
});
