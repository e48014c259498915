import { describe, expect, test } from '@jest/globals';
import { fc } from '../../../../test/support/properties.ts';
import { inSyncVoters, type RepositoryRecord } from '../../routing/repository-record.ts';
import type { ControlStore } from '../control-store.ts';
import type { InSyncSet } from '../in-sync-sets.ts';
import { anyParts, create, useStores, type Harness } from './support.ts';

/** The promises of the list of in-sync sets. */
export function describeInSyncSets(harness: Harness): void {
  const open = useStores(harness);
  const freshName = async (store: ControlStore) => `sets-${await store.nextRepositoryId()}`;

  describe('inSyncSets', () => {
    test('is one empty page where nothing is', async () => {
      const pages = [];
      for await (const page of (await open()).inSyncSets({ virtualStorage: 'nothing' })) {
        pages.push(page);
      }
      expect(pages).toEqual([{ asOfMs: expect.any(Number), sets: [] }]);
    });

    test('counts each repository once, on the voters that hold it in sync', async () => {
      const store = await open();
      const property = fc.asyncProperty(
        fc.array(anyParts, { maxLength: 10 }),
        async (repositories) => {
          const virtualStorage = await freshName(store);
          await create(store, { virtualStorage: await freshName(store) });
          const records: RepositoryRecord[] = [];
          for (const parts of repositories) {
            records.push(await create(store, { ...parts, virtualStorage }));
          }
          const sets = await listAll(store, virtualStorage);
          expect(countsOf(sets)).toEqual(countsOf(records.flatMap(setOf)));
          for (const { storages, example } of sets) {
            const record = records.find(({ relativePath }) => relativePath === example);
            expect(record && inSyncVoters(record).toSorted()).toEqual(storages.toSorted());
          }
        },
      );
      await fc.assert(property, { numRuns: 40 });
    });

    test('has equal repositories in one set, whichever of their storages is primary', async () => {
      const store = await open();
      const virtualStorage = await freshName(store);
      for (const primary of ['gitaly-0', 'gitaly-1', 'gitaly-2', 'gitaly-0']) {
        await create(store, { virtualStorage, primary });
      }
      expect(await listAll(store, virtualStorage)).toEqual([
        {
          storages: ['gitaly-0', 'gitaly-1', 'gitaly-2'],
          repositories: 4,
          example: expect.any(String),
        },
      ]);
    });
  });
}

async function listAll(store: ControlStore, virtualStorage: string): Promise<InSyncSet[]> {
  const all: InSyncSet[] = [];
  for await (const { sets } of store.inSyncSets({ virtualStorage })) all.push(...sets);
  return all;
}

function setOf(record: RepositoryRecord): InSyncSet[] {
  const storages = inSyncVoters(record);
  const { relativePath: example } = record;
  return storages.length === 0 ? [] : [{ storages, repositories: 1, example }];
}

/** By the storages' names, as the same set may be listed more than once. */
function countsOf(sets: readonly InSyncSet[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { storages, repositories } of sets) {
    const names = storages.toSorted().join();
    counts.set(names, (counts.get(names) ?? 0) + repositories);
  }
  return counts;
}
