import { expect, test } from '@jest/globals';
import { Pace } from './pace.ts';
import { schedulePicture } from './schedule-picture.ts';

const storage = (name: string, zone: string) => {
  return { virtualStorage: 'default', name, zone, primaries: 0, disrupted: false };
};

test('each storage has a row in its zone, and each bar is as long as it took, by the pace', () => {
  const picture = schedulePicture(
    {
      storages: [storage('one', 'a'), storage('two', 'b'), storage('three', 'a')],
      // At twice the speed these are the first and the second minute of two.
      bars: [
        { storage: 2, phase: 'drained', fromMs: 0, toMs: 30_000 },
        { storage: 2, phase: 'away', fromMs: 30_000, toMs: 60_000 },
        { storage: 1, phase: 'catchingUp', fromMs: 0, toMs: 60_000 },
      ],
      roundMs: 60_000,
    },
    new Pace(2),
  );
  const rows = [...picture.matchAll(/<rect x="([\d.]+)" y="(\d+)" width="([\d.]+)" height="3"/g)];
  expect(rows.map(([, x, y, width]) => [x, y, width].map(Number))).toEqual([
    [70, 68, 435],
    [505, 68, 435],
    [70, 82, 870],
  ]);
  expect(picture).toContain('3 storages in 2.0 minutes');
});
