import type { RepositoryRecord } from '../../src/proxy/routing/repository-record.ts';
import type { RepositoryKey } from '../../src/proxy/store/control-store.ts';
import type { RecordChange } from '../../src/proxy/transactions/record-change.ts';
import type { RepositoryView } from '../../src/proxy/view/repository-view.ts';

/** Changes a record, as a person asks a proxy to. Returns whether that was accepted; never rejects. */
export async function changeForPerson(
  view: RepositoryView,
  key: RepositoryKey,
  change: (current: RepositoryRecord) => RecordChange<string>,
): Promise<boolean> {
  try {
    const record = await view.get(key);
    return record !== undefined && (await view.change(record, change)).kind === 'changed';
  } catch {
    return false;
  }
}
