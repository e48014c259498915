import type { Clock } from '../../base/clock.ts';
import { errorMessage } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { Repeated } from '../../base/repeated.ts';
import type { Stoppable } from '../../base/scope.ts';
import type { StorageSetting, StorageSettings } from '../store/storage-settings.ts';

/** Where this proxy puts new repositories. */
interface SettableStorages {
  readonly all: readonly {
    readonly name: string;
    /** From now on these weights and zones count, by storage, and these only. */
    setPlacement(weights: ReadonlyMap<string, number>, zones: ReadonlyMap<string, string>): void;
  }[];
}

export interface SettingsWatchOptions {
  readonly weights: Pick<StorageSettings<number>, 'list'>;
  readonly zones: Pick<StorageSettings<string>, 'list'>;
  readonly storages: SettableStorages;
  readonly clock: Clock;
  readonly logger: Logger;
  /** From one look to the next. Default 750 ms. */
  readonly intervalMs?: number;
}

/**
 * Takes note of the weights and zones that storages are said to have, again and again. While the store is away it goes
 * by what it has seen last.
 */
export class SettingsWatch implements Stoppable {
  readonly #options: SettingsWatchOptions;
  readonly #looks: Repeated;

  constructor(options: SettingsWatchOptions) {
    const { clock, logger, intervalMs = 750 } = options;
    this.#options = options;
    this.#looks = new Repeated(() => this.#look(), {
      clock,
      intervalMs,
      // Others tell that the store is away.
      onFailed: (error) =>
        logger.debug({ err: errorMessage(error) }, 'weights and zones cannot be looked up'),
    });
  }

  /**
   * Takes note of what there is, and goes on doing so.
   *
   * @throws StoreUnavailableError if it cannot be read
   */
  start(): Promise<void> {
    return this.#looks.start();
  }

  stop(): Promise<void> {
    return this.#looks.stop();
  }

  async #look(): Promise<void> {
    const { storages } = this.#options;
    const [weights, zones] = await Promise.all([
      this.#options.weights.list(),
      this.#options.zones.list(),
    ]);
    for (const virtualStorage of storages.all) {
      const { name } = virtualStorage;
      virtualStorage.setPlacement(byStorage(weights, name), byStorage(zones, name));
    }
  }
}

function byStorage<T>(
  settings: readonly StorageSetting<T>[],
  virtualStorage: string,
): ReadonlyMap<string, T> {
  const own = settings.filter((setting) => setting.virtualStorage === virtualStorage);
  return new Map(own.map(({ storage, value }) => [storage, value]));
}
