import { describe, expect, it } from '@jest/globals';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { recordWith } from '../../../test/support/repository-records.ts';
import type { RepositoryRecord } from '../routing/repository-record.ts';
import { knownForRead, recordForRead } from './read-record.ts';

const known = recordWith();
const current = { ...known, version: known.version + 1n };

/** A proxy that knows a record, and a store that has a newer one. */
function contextWith(options: {
  readonly holdsLease: boolean;
  readonly connected: boolean;
  readonly confirm?: () => Promise<RepositoryRecord | undefined>;
}) {
  const { holdsLease, connected, confirm = () => Promise.resolve(current) } = options;
  const clock = new ManualClock();
  const view = { connected, peek: () => known, get: () => Promise.resolve(known), confirm };
  const context = { clock, view, membership: { holdsLease } };
  return { clock, context: context as unknown as Parameters<typeof recordForRead>[1] };
}

describe('the record that a read goes by', () => {
  it('is the known one while the lease is held', async () => {
    const { context } = contextWith({ holdsLease: true, connected: true });
    expect(knownForRead(known, context)).toBe(known);
    await expect(recordForRead(known, context)).resolves.toBe(known);
  });

  it("is the store's after the proxy has stood still: others have not waited for it", async () => {
    const { context } = contextWith({ holdsLease: false, connected: true });
    expect(knownForRead(known, context)).toBeUndefined();
    await expect(recordForRead(known, context)).resolves.toBe(current);
  });

  it('is the known one while the store is not heard', async () => {
    const { context } = contextWith({ holdsLease: false, connected: false });
    expect(knownForRead(known, context)).toBe(known);
  });

  it('is the known one if the store does not answer soon', async () => {
    const confirm = () => new Promise<undefined>(() => {});
    const { context, clock } = contextWith({ holdsLease: false, connected: true, confirm });
    const reading = recordForRead(known, context);
    await clock.advance(500);
    await expect(reading).resolves.toBe(known);
  });
});
