import { afterEach, describe, expect, it } from '@jest/globals';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { recordWith } from '../../../test/support/repository-records.ts';
import { RecordingLogger } from '../../../test/support/recording-logger.ts';
import { MemoryDatabase } from '../store/memory-database.ts';
import { createMemoryStore } from '../store/memory-store.ts';
import { VerificationLoop } from './verification-loop.ts';
import type { Verification } from './verifier.ts';

const policy = { intervalMs: 1_000_000, callsPerSecond: 2 };

let loop: VerificationLoop | undefined;
afterEach(() => loop?.stop());

/** A loop over so many repositories on `a`, `b` and `c`, all of which are to be verified. */
function start(
  repositories: number,
  verify: (id: bigint) => Promise<Verification> = async () => ({ kind: 'verified' }),
) {
  const clock = new ManualClock();
  const database = new MemoryDatabase({ clock });
  for (let index = 1; index <= repositories; index++) {
    database.create(recordWith({ id: BigInt(index), relativePath: `${index}.git` }));
  }
  database.verifications.markUnverified({ kind: 'virtualStorage', virtualStorage: 'default' });
  const store = createMemoryStore({ clock, database });
  const looked: bigint[] = [];
  const logger = new RecordingLogger();
  const live = new Set(['proxy-1']);
  loop = new VerificationLoop({
    queue: store.verifications,
    verify({ id }) {
      looked.push(id);
      return verify(id);
    },
    membership: { live },
    policy,
    clock,
    logger,
  });
  loop.start();
  return { clock, database, store, looked, logger, live };
}

describe('the verification of many repositories', () => {
  it('gives a storage no more calls than its budget has', async () => {
    const { clock, looked } = start(100);
    await clock.advance(10_000);
    // Two calls for each: one repository a second.
    expect(looked.length).toBeGreaterThanOrEqual(10);
    expect(looked.length).toBeLessThanOrEqual(12);
  });

  it('shares the budget with the other proxies', async () => {
    const { clock, looked, live } = start(100);
    live.add('proxy-2');
    await clock.advance(10_000);
    expect(looked.length).toBeLessThanOrEqual(7);
  });

  it('looks at no more than two at a time', async () => {
    const { clock, looked } = start(100, () => new Promise(() => {}));
    await clock.advance(60_000);
    expect(looked).toHaveLength(2);
    loop = undefined;
  });

  it('comes back to one that came to nothing, and goes on with the others', async () => {
    const { clock, looked, database, logger } = start(3, async (id) => {
      if (id === 2n) throw new Error('the store is away');
      return { kind: 'verified' };
    });
    await clock.advance(60_000);
    expect(new Set(looked)).toEqual(new Set([1n, 2n, 3n]));
    expect(database.verifications.get(1n)).toHaveProperty('verifiedAtMs');
    expect(database.verifications.get(2n)).toEqual({});
    expect(logger.lines.join()).toContain('a verification came to nothing');
    await clock.advance(600_000);
    expect(looked.filter((id) => id === 2n)).toHaveLength(2);
  });

  it('keeps what only a person can put right, and looks again in ten minutes', async () => {
    const finding = 'they differ';
    const { clock, looked, database, logger } = start(1, async () => ({
      kind: 'undecidable',
      finding,
    }));
    await clock.advance(60_000);
    expect(database.verifications.get(1n)).toEqual({ finding });
    expect(logger.entries.filter(({ level }) => level === 'error')).toMatchObject([
      { fields: { id: 1n, relativePath: '1.git', finding } },
    ]);
    await clock.advance(600_000);
    expect(looked).toEqual([1n, 1n]);
  });
});
