import type { ClientConfig } from 'pg';
import type { Clock } from '../../base/clock.ts';
import { StoreUnavailableError } from './control-store.ts';
import { inSyncSet, type CountedPlacement } from './counted-placement.ts';
import { CuttableClient } from './cuttable-client.ts';
import {
  maxSetsOfPage,
  TooManyListsError,
  type InSyncSetPage,
  type InSyncSetQuery,
} from './in-sync-sets.ts';
import { declareInSyncSets, fetchInSyncSets, transactionStart } from './queries.ts';
import { asStoreError } from './store-error.ts';

export interface PostgresInSyncSetsOptions {
  /** For the next connection. Its limits are for one statement of a list. */
  readonly config: () => ClientConfig;
  readonly clock: Clock;
  /** For a list from its beginning to its end, with all that its reader takes. */
  readonly listMs: number;
}

/**
 * Lists the in-sync sets of a virtual storage, one list at a time.
 *
 * A list is one statement with a cursor. So it is of one moment: in pages that were asked for one by one, a repository
 * whose primary moves meanwhile could be missing from all of them. It has a connection of its own, so that nobody waits
 * for it. It reads a snapshot and takes no lock that a write waits for. While it lasts, vacuum keeps what it may still read;
 * so it is cut, whatever its reader does, when its time is over.
 */
export class PostgresInSyncSets {
  readonly #options: PostgresInSyncSetsOptions;
  #client: CuttableClient | undefined;

  constructor(options: PostgresInSyncSetsOptions) {
    this.#options = options;
  }

  /**
   * @throws TooManyListsError
   * @throws StoreUnavailableError
   */
  async *list({ virtualStorage, signal }: InSyncSetQuery): AsyncGenerator<InSyncSetPage> {
    if (this.#client) throw new TooManyListsError();
    const { clock, config, listMs } = this.#options;
    const client = new CuttableClient(config());
    this.#client = client;
    let cutBy: Error | undefined;
    const cut = (reason: string) => {
      cutBy ??= new Error(reason);
      client.cut();
    };
    // Whatever becomes of it is told by the statement that needs it.
    client.on('error', () => {});
    const abort = () => cut('nobody waits for the list any more');
    signal?.addEventListener('abort', abort, { once: true });
    const limit = clock.after(listMs, () => cut(`the list was not read within ${listMs} ms`));
    // Not when the reader is done: one that has fallen asleep would keep out all others.
    void client.closed.then(() => (this.#client = undefined));
    try {
      signal?.throwIfAborted();
      await client.connect();
      // Also ends it if this process stands still: the timer here would come too late.
      await client.query(
        `BEGIN READ ONLY; SET LOCAL idle_in_transaction_session_timeout = ${listMs}`,
      );
      yield* pagesOf(client, virtualStorage);
    } catch (error) {
      throw cutBy ? new StoreUnavailableError(cutBy) : asStoreError(error);
    } finally {
      limit.cancel();
      signal?.removeEventListener('abort', abort);
      client.cut();
      await client.closed;
    }
  }

  async stop(): Promise<void> {
    this.#client?.cut();
    await this.#client?.closed;
  }
}

/** In a transaction that the client has begun. */
async function* pagesOf(
  client: CuttableClient,
  virtualStorage: string,
): AsyncGenerator<InSyncSetPage> {
  const begun = await client.query<{ at_ms: number; standby: boolean }>(transactionStart());
  const { at_ms: asOfMs, standby } = begun.rows[0] ?? { at_ms: 0, standby: true };
  // It may answer with what was true a while ago.
  if (standby) throw new Error('the database server is a standby');
  await client.query(declareInSyncSets(virtualStorage));
  for (;;) {
    const { rows } = await client.query<CountedPlacement>(fetchInSyncSets(maxSetsOfPage));
    yield { asOfMs, sets: rows.flatMap((row) => inSyncSet(row) ?? []) };
    if (rows.length < maxSetsOfPage) return;
  }
}
