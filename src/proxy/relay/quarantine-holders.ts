import type { Logger } from '../../base/logger.ts';
import { RecentMap } from '../../base/recent-map.ts';
import type { NodeView } from '../routing/node-view.ts';
import { isQuarantine, quarantineSearch } from '../routing/quarantine.ts';
import type { RepositoryRecord } from '../routing/repository-record.ts';
import type { ControlCalls } from '../upstream/control-calls.ts';
import type { HeaderField } from '../wire/hpack/header-field.ts';

/** A quarantine folder that somebody wants to read from. */
export interface QuarantineSearch {
  readonly record: RepositoryRecord;
  /** As the request names it, from the repository's folder on. */
  readonly directory: string;
  readonly storages: {
    nodes(): NodeView;
    control(storage: string): Pick<ControlCalls, 'hasObjectDirectory'>;
  };
  /** The client's, for the calls that find out. */
  readonly metadata: readonly HeaderField[];
}

/** So many folders are remembered. */
const maxFound = 1000;
/** How long a storage may take to answer: it looks at one folder. */
const limitMs = 5000;

/**
 * Knows which storages have the quarantine folders of pushes: each push's primary, and no other, has a folder of that
 * name. The record does not tell, as primaries may move while pushes are under way, and GitLab may ask another proxy than
 * the push came by. So the storages are asked, once for each push. What they say is remembered without a limit in
 * time: no folder moves, and names are random.
 */
export class QuarantineHolders {
  readonly #logger: Pick<Logger, 'info'>;
  readonly #found = new RecentMap<string, { readonly storage: string }>(maxFound);
  readonly #searches = new Map<string, Promise<string | undefined>>();

  constructor({ logger }: { readonly logger: Pick<Logger, 'info'> }) {
    this.#logger = logger;
  }

  /**
   * The storage that has the folder.
   *
   * @returns undefined if none that can be reached says so, if only the primary can have it, or if it is no quarantine
   */
  async find(search: QuarantineSearch): Promise<string | undefined> {
    const { record, directory } = search;
    if (!isQuarantine(directory)) return undefined;
    const key = `${record.id} ${directory}`;
    const found = this.#found.get(key);
    if (found !== undefined) return found.storage;
    const running = this.#searches.get(key);
    if (running !== undefined) return running;
    const begun = this.#search(search).finally(() => this.#searches.delete(key));
    this.#searches.set(key, begun);
    const storage = await begun;
    if (storage !== undefined) this.#found.set(key, { storage });
    return storage;
  }

  async #search(search: QuarantineSearch): Promise<string | undefined> {
    const { record, directory, storages } = search;
    for (const group of quarantineSearch(record, storages.nodes())) {
      const storage = await firstToHave(group, search);
      if (storage === undefined) continue;
      if (storage !== record.primary) {
        const { virtualStorage, relativePath, primary } = record;
        const details = { virtualStorage, relativePath, storage, primary, directory };
        this.#logger.info(details, 'a push goes on where it began: the primary has moved since');
      }
      return storage;
    }
    return undefined;
  }
}

/** The first storage that says that it has the folder; waits for the others only if none does. */
function firstToHave(
  group: readonly string[],
  { record, directory, storages, metadata }: QuarantineSearch,
): Promise<string | undefined> {
  const options = { limitMs, metadata };
  const ask = async (storage: string): Promise<string> => {
    const control = storages.control(storage);
    if (await control.hasObjectDirectory(record.replicaPath, directory, options)) return storage;
    throw new Error(`${storage} does not have ${directory}`);
  };
  // A storage that cannot tell is like one that does not have it: the read itself brings out what is wrong there.
  return Promise.any(group.map(ask)).catch(() => undefined);
}
