import { describe, expect, test } from '@jest/globals';

import { ManualClock } from '../../test/support/manual-clock.ts';
import { PacedPlacements } from './paced-placements.ts';

const cluster = { namespace: 'git', name: 'gitaly' };

/** Each list takes a second. */
function setUp() {
  const clock = new ManualClock();
  let asked = 0;
  const placements = new PacedPlacements({
    clock,
    source: {
      async list() {
        asked += 1;
        await clock.advance(1000);
        return { kind: 'unknown', message: `list ${asked}` };
      },
    },
  });
  const list = (of = cluster) => placements.list(of, [], 'token', []);
  return { clock, placements, list };
}

describe('lists of placements', () => {
  test('take a fifth of the time at most', async () => {
    const { clock, list } = setUp();
    expect(await list()).toMatchObject({ message: 'list 1' });
    expect(await list()).toBeUndefined();
    await clock.advance(3999);
    expect(await list()).toBeUndefined();
    await clock.advance(1);
    expect(await list()).toMatchObject({ message: 'list 2' });
  });

  test('of one cluster do not hold up those of another, or of a new one of its name', async () => {
    const { placements, list } = setUp();
    await list();
    expect(await list({ ...cluster, name: 'other' })).toMatchObject({ message: 'list 2' });
    placements.forget(cluster);
    expect(await list()).toMatchObject({ message: 'list 3' });
  });
});
