import { describe, expect, it } from '@jest/globals';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { RecordingLogger } from '../../../test/support/recording-logger.ts';
import { recordWith } from '../../../test/support/repository-records.ts';
import { createMemoryStore } from '../store/memory-store.ts';
import type { VirtualStorage } from '../upstream/storage-directory.ts';
import { RepositoryView } from '../view/repository-view.ts';
import type { RelayContext } from './context.ts';
import { takeBackCreation } from './creation.ts';

/** Takes the creation of a repository on `a`, `b` and `c` back, the second of which cannot be reached. */
async function takeBack() {
  const store = createMemoryStore({ clock: new ManualClock() });
  const created = await store.create(recordWith());
  if (created.kind === 'exists') throw new Error('there is a record already');
  const logger = new RecordingLogger();
  const outage = { failed() {}, worked() {} };
  const clock = new ManualClock();
  const view = new RepositoryView({ store, owner: 'proxy-1', clock, logger, outage });
  await view.start();
  const removed: string[] = [];
  const control = (storage: string) => ({
    async remove(replicaPath: string) {
      if (storage === 'b') throw new Error('it is away');
      removed.push(`${storage} ${replicaPath}`);
    },
  });
  const virtualStorage = { control } as unknown as VirtualStorage;
  await takeBackCreation(created.record, virtualStorage, {
    view,
    store,
    logger,
  } as unknown as RelayContext);
  return { left: await store.getById(created.record.id), removed, logger };
}

describe('a creation that is taken back', () => {
  it('leaves no record, and nothing on the storages that can be reached', async () => {
    const { left, removed } = await takeBack();
    expect(left).toBeUndefined();
    const { replicaPath } = recordWith();
    expect(removed).toEqual([`a ${replicaPath}`, `c ${replicaPath}`]);
  });

  it('tells what it left behind where a storage cannot be reached', async () => {
    const { logger } = await takeBack();
    const { replicaPath } = recordWith();
    expect(logger.entries).toEqual([
      {
        level: 'warn',
        message: 'a replica was left behind',
        fields: { storage: 'b', replicaPath, err: 'it is away' },
      },
    ]);
  });
});
