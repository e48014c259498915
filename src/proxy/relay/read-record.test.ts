import { describe, expect, it } from '@jest/globals';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { recordWith, replica } from '../../../test/support/repository-records.ts';
import type { RepositoryRecord } from '../routing/repository-record.ts';
import { knownForRead, recordForRead, weightOfError } from './read-record.ts';

const known = recordWith();
const current = { ...known, version: known.version + 1n };

/** A proxy that knows a record, and a store that has a newer one. */
function contextWith(options: {
  readonly holdsLease: boolean;
  readonly connected: boolean;
  /** Default: the record. */
  readonly peeked?: RepositoryRecord | undefined;
  readonly confirm?: () => Promise<RepositoryRecord | undefined>;
}) {
  const { holdsLease, connected, confirm = () => Promise.resolve(current) } = options;
  const peeked = 'peeked' in options ? options.peeked : known;
  const clock = new ManualClock();
  const view = { connected, peek: () => peeked, get: () => Promise.resolve(known), confirm };
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

describe('an error that a storage answers a read with', () => {
  const lease = { holdsLease: true, connected: true };
  const without = (lsn: bigint) =>
    recordWith({ replicas: [replica('a', 5n), replica('b', 5n), replica('c', lsn)] });

  it.each([
    ['whose replica is in sync', { ...lease }, 'stands'],
    ['whose replica has fallen behind', { ...lease, peeked: without(4n) }, 'void'],
    [
      'whose replica has left',
      { ...lease, peeked: recordWith({ replicas: [replica('a', 5n)] }) },
      'void',
    ],
    ['of a repository that is not known any more', { ...lease, peeked: undefined }, 'doubtful'],
    [
      'of one that was made anew',
      { ...lease, peeked: { ...without(4n), id: known.id + 1n } },
      'stands',
    ],
    ['after this proxy has stood still', { holdsLease: false, connected: true }, 'void'],
    ['while the store is not heard', { holdsLease: false, connected: false }, 'stands'],
  ])('has its weight: %s', (_what, options, weight) => {
    const { context } = contextWith(options);
    expect(weightOfError('c', known, context)).toBe(weight);
  });
});
