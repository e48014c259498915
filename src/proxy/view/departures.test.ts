import { describe, expect, it } from '@jest/globals';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { recordWith, replica } from '../../../test/support/repository-records.ts';
import { silentLogger } from '../../base/logger.ts';
import type { Replica, RepositoryRecord } from '../routing/repository-record.ts';
import { MemoryDatabase } from '../store/memory-database.ts';
import { createMemoryStore } from '../store/memory-store.ts';
import { RepositoryView } from './repository-view.ts';

const slowMs = 100;

/** A proxy that writes, and one that reads and hears of changes late. */
async function start() {
  const clock = new ManualClock();
  const database = new MemoryDatabase({ clock });
  const outage = { failed() {}, worked() {} };
  const join = async (owner: string, delayMs: number) => {
    const store = createMemoryStore({ clock, database, delayMs: () => delayMs });
    const view = new RepositoryView({ store, owner, clock, logger: silentLogger, outage });
    await Promise.all([view.start(), clock.advance(2 * delayMs)]);
    await Promise.all([
      store.renewLease({ owner, durationMs: 60_000 }),
      clock.advance(3 * delayMs),
    ]);
    return view;
  };
  const writer = await join('writer', 0);
  const reader = await join('reader', slowMs);
  const created = database.create(recordWith());
  if (created.kind === 'exists') throw new Error('there is a record already');
  await Promise.all([reader.get(created.record), clock.advance(2 * slowMs)]);

  const swap = async (record: RepositoryRecord, lsn: bigint, replicas: readonly Replica[]) => {
    const outcome = await writer.change(record, (current) => ({
      kind: 'change',
      next: { ...current, lsn, replicas },
    }));
    if (outcome.kind !== 'changed') throw new Error(outcome.kind);
    return outcome.record;
  };
  /** Whether the writer is sure at once; lets all be heard then. */
  const isKnownAtOnce = async (record: RepositoryRecord) => {
    let isKnown = false;
    const waiting = writer.departuresKnown(record).then(() => (isKnown = true));
    await clock.advance(slowMs / 2);
    const result = isKnown;
    if (!result) expect(reader.peek(record)?.version).not.toBe(record.version);
    await clock.advance(10 * slowMs);
    await waiting;
    expect(reader.peek(record)?.version).toBe(record.version);
    return result;
  };
  return { record: created.record, swap, isKnownAtOnce, writer, clock };
}

const [a, b, c] = ['a', 'b', 'c'].map((name) => (lsn: bigint) => replica(name, lsn)) as [
  (lsn: bigint) => Replica,
  (lsn: bigint) => Replica,
  (lsn: bigint) => Replica,
];

describe('before the client of a write is answered', () => {
  it('nothing is waited for while all replicas are in sync', async () => {
    const { record, swap, isKnownAtOnce } = await start();
    const next = await swap(record, 6n, [a(6n), b(6n), c(6n)]);
    expect(await isKnownAtOnce(next)).toBe(true);
  });

  it('all proxies know which replicas are behind, though another write has left them behind', async () => {
    const { record, swap, isKnownAtOnce, writer, clock } = await start();
    const first = await swap(record, 6n, [a(6n), b(6n), c(5n)]);
    const waiting = writer.departuresKnown(first);
    const second = await swap(first, 7n, [a(7n), b(7n), c(5n)]);
    expect(await isKnownAtOnce(second)).toBe(false);
    await waiting;
    const third = await swap(second, 8n, [a(8n), b(8n), c(5n)]);
    expect(await isKnownAtOnce(third)).toBe(true);
    await clock.advance(0);
  });

  it('all proxies know of a replica that was in sync again and has fallen behind once more', async () => {
    const { record, swap, isKnownAtOnce } = await start();
    const first = await swap(record, 6n, [a(6n), b(6n), c(5n)]);
    expect(await isKnownAtOnce(first)).toBe(false);
    const mended = await swap(first, 6n, [a(6n), b(6n), c(6n)]);
    const again = await swap(mended, 7n, [a(7n), b(7n), c(6n)]);
    expect(await isKnownAtOnce(again)).toBe(false);
  });

  it('proxies that have not heard the store again get 3 s, when it has been away', async () => {
    const { record, swap, writer, clock } = await start();
    writer.onDisconnected(new Error('away'));
    writer.onReset();
    const next = await swap(record, 6n, [a(6n), b(6n), c(5n)]);
    let isKnown = false;
    const waiting = writer.departuresKnown(next).then(() => (isKnown = true));
    await clock.advance(2999);
    expect(isKnown).toBe(false);
    await clock.advance(1);
    await waiting;
  });

  it('a proxy is not waited for that has taken note before the answer of the store came', async () => {
    const { record, swap, isKnownAtOnce, clock } = await start();
    const next = await swap(record, 6n, [a(6n), b(6n), c(5n)]);
    await clock.advance(10 * slowMs);
    expect(await isKnownAtOnce(next)).toBe(true);
  });
});
