import { describe, expect, it, test } from '@jest/globals';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { recordWith } from '../../../test/support/repository-records.ts';
import { seededRandom } from '../../base/random.ts';
import { statusCodes } from '../../rpc/status.ts';
import { StoreUnavailableError } from '../store/control-store.ts';
import { UpstreamError } from '../upstream/unary-call.ts';
import { blameFor, RepairFailures } from './repair-failures.ts';

const upstream = (code: number) => new UpstreamError('ReplicateRepository', { code, message: '' });
const away = upstream(statusCodes.UNAVAILABLE);
const diskFull = upstream(statusCodes.INTERNAL);
const differs = new Error('its contents differ after copying');

describe('a failure', () => {
  const allIsWell = { hasHeldLease: true, areStoragesHealthy: true };

  test.each([
    ['the store was away', new StoreUnavailableError(new Error('x')), allIsWell, 'nobody'],
    ['the lease was lost', diskFull, { ...allIsWell, hasHeldLease: false }, 'nobody'],
    ['a storage has died', away, { ...allIsWell, areStoragesHealthy: false }, 'nobody'],
    ['a storage is not to be had', away, allIsWell, 'storage'],
    ['a storage could not do it', diskFull, allIsWell, 'repository'],
    ['contents differ', differs, allIsWell, 'repository'],
  ] as const)('where %s', (_, error, facts, blame) => {
    expect(blameFor(error, facts)).toBe(blame);
  });
});

function setUp() {
  const clock = new ManualClock();
  const failures = new RepairFailures({ clock, random: seededRandom(1) });
  const to = (target: string) => ({ target, source: 'a' });
  const numbered = (id: bigint) => recordWith({ id });
  /** How long a record is held back from now on. */
  const waitMs = async (id: bigint, target: string, isUrgent = false) => {
    const startedMs = clock.monotonicMs();
    while (failures.holdsBack(numbered(id), target, isUrgent)) await clock.advance(100);
    return clock.monotonicMs() - startedMs;
  };
  return { clock, failures, to, numbered, waitMs };
}

describe('a repair that has failed', () => {
  it('waits longer each time, up to a minute, and not on other storages', async () => {
    const { failures, to, numbered, waitMs } = setUp();
    const waits: number[] = [];
    for (let attempt = 0; attempt < 10; attempt++) {
      failures.add(numbered(1n), to('b'), differs, 'repository');
      expect(failures.holdsBack(numbered(1n), 'c', false)).toBe(false);
      waits.push(await waitMs(1n, 'b'));
    }
    expect(waits[0]).toBeLessThan(1000);
    expect(waits.at(-1)).toBeGreaterThan(45_000);
    expect(waits.at(-1)).toBeLessThan(75_000);
  });

  it('waits 5 s at most while writes are refused', async () => {
    const { failures, to, numbered, waitMs } = setUp();
    for (let attempt = 0; attempt < 10; attempt++) {
      failures.add(numbered(1n), to('b'), differs, 'repository');
    }
    expect(await waitMs(1n, 'b', true)).toBe(5000);
  });

  it('does not wait at all if that says nothing about it', () => {
    const { failures, to, numbered } = setUp();
    failures.add(numbered(1n), to('b'), away, 'nobody');
    expect(failures.holdsBack(numbered(1n), 'b', false)).toBe(false);
    expect([...failures.all]).toMatchObject([{ id: 1n, attempts: 0, target: 'b' }]);
  });

  it('waits no longer each time if the storage is to blame', async () => {
    const { failures, to, numbered, waitMs } = setUp();
    for (let attempt = 0; attempt < 10; attempt++) {
      failures.add(numbered(1n), to('b'), away, 'storage');
    }
    expect(await waitMs(1n, 'b')).toBeLessThan(1000);
  });

  it('waits no longer when it has succeeded, or one of its storages has come back', () => {
    for (const storage of ['a', 'b']) {
      const { failures, to, numbered } = setUp();
      failures.add(numbered(1n), to('b'), differs, 'repository');
      failures.storageReturned('other', storage);
      failures.storageReturned('default', 'c');
      expect(failures.holdsBack(numbered(1n), 'b', false)).toBe(true);
      failures.storageReturned('default', storage);
      expect(failures.holdsBack(numbered(1n), 'b', false)).toBe(false);
    }
    const { failures, to, numbered } = setUp();
    failures.add(numbered(1n), to('b'), differs, 'repository');
    failures.clear(numbered(1n), 'b');
    expect(failures.holdsBack(numbered(1n), 'b', false)).toBe(false);
  });
});

describe('a storage on which many different repositories fail', () => {
  const failAll = ({ failures, to, numbered }: ReturnType<typeof setUp>, first: bigint) => {
    for (let id = first; id < first + 5n; id++) {
      failures.add(numbered(id), to('b'), diskFull, 'repository');
    }
  };

  it('gets no others for a while, longer each time', async () => {
    const set = setUp();
    const waits: number[] = [];
    for (let round = 0n; round < 8n; round++) {
      failAll(set, 10n * round);
      waits.push(await set.waitMs(1000n, 'b'));
    }
    expect(waits[0]).toBeGreaterThan(0);
    expect(waits.at(-1)).toBeGreaterThan(30_000);
    expect(set.failures.holdsBack(set.numbered(1000n), 'c', false)).toBe(false);
  });

  it('gets others again once one has succeeded, or it has come back', () => {
    const set = setUp();
    failAll(set, 0n);
    expect(set.failures.holdsBack(set.numbered(1000n), 'b', false)).toBe(true);
    set.failures.clear(set.numbered(1n), 'b');
    expect(set.failures.holdsBack(set.numbered(1000n), 'b', false)).toBe(false);
    failAll(set, 0n);
    set.failures.storageReturned('default', 'b');
    expect(set.failures.holdsBack(set.numbered(1000n), 'b', false)).toBe(false);
  });

  it('is not held back by one repository that fails many times', () => {
    const set = setUp();
    for (let attempt = 0; attempt < 20; attempt++) {
      set.failures.add(set.numbered(1n), set.to('b'), diskFull, 'repository');
    }
    expect(set.failures.holdsBack(set.numbered(2n), 'b', false)).toBe(false);
  });
});

test('of failures 10,000 are kept, the latest', () => {
  const { failures, to, numbered } = setUp();
  for (let id = 0n; id < 10_010n; id++) failures.add(numbered(id), to('b'), differs, 'repository');
  const ids = [...failures.all].map(({ id }) => id);
  expect([ids.length, ids[0], ids.at(-1)]).toEqual([10_000, 10n, 10_009n]);
});

describe('a replica that falls behind after each repair', () => {
  it('is repaired at once twice, and then later each time, up to a minute', async () => {
    const { failures, numbered, waitMs } = setUp();
    const waits: number[] = [];
    for (let repair = 0; repair < 12; repair++) {
      failures.repaired(numbered(1n), 'b');
      expect(failures.holdsBack(numbered(1n), 'c', false)).toBe(false);
      expect(failures.holdsBack(numbered(2n), 'b', false)).toBe(false);
      waits.push(await waitMs(1n, 'b'));
    }
    expect(waits.slice(0, 2)).toEqual([0, 0]);
    expect(waits[2]).toBeGreaterThan(0);
    expect(waits[2]).toBeLessThan(1000);
    expect(waits.at(-1)).toBeGreaterThan(45_000);
    expect(waits.at(-1)).toBeLessThan(75_000);
  });

  it('waits 5 s at most while writes are refused', async () => {
    const { failures, numbered, waitMs } = setUp();
    for (let repair = 0; repair < 12; repair++) failures.repaired(numbered(1n), 'b');
    expect(await waitMs(1n, 'b', true)).toBeLessThanOrEqual(5000);
  });

  it('begins anew when its storage was away: then that is why it fell behind', async () => {
    const { failures, numbered } = setUp();
    for (let repair = 0; repair < 12; repair++) failures.repaired(numbered(1n), 'b');
    failures.storageReturned('default', 'a');
    expect(failures.holdsBack(numbered(1n), 'b', false)).toBe(true);
    failures.storageReturned('default', 'b');
    expect(failures.holdsBack(numbered(1n), 'b', false)).toBe(false);
  });

  it('begins anew when it has stayed in sync for ten minutes', async () => {
    const { clock, failures, numbered } = setUp();
    for (let repair = 0; repair < 12; repair++) failures.repaired(numbered(1n), 'b');
    await clock.advance(600_000);
    failures.repaired(numbered(1n), 'b');
    expect(failures.holdsBack(numbered(1n), 'b', false)).toBe(false);
  });
});
