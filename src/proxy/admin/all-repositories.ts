import type { RepositoryRecord } from '../routing/repository-record.ts';
import type { ControlStore, ListQuery } from '../store/control-store.ts';

const pageSize = 500;

/**
 * The repositories that a filter lets pass, in ascending order of id. Asks the store page by page as they are
 * used up, so that memory does not grow with their number.
 *
 * @throws StoreUnavailableError
 */
export async function* allRepositories(
  store: Pick<ControlStore, 'list'>,
  filter: Omit<ListQuery, 'afterId' | 'limit'>,
): AsyncGenerator<RepositoryRecord, void, undefined> {
  let afterId = 0n;
  for (;;) {
    const page = await store.list({ ...filter, afterId, limit: pageSize });
    for (const record of page) {
      afterId = record.id;
      yield record;
    }
    if (page.length < pageSize) return;
  }
}
