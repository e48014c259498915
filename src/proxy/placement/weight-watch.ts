import type { Clock } from '../../base/clock.ts';
import { errorMessage } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { Repeated } from '../../base/repeated.ts';
import type { Stoppable } from '../../base/scope.ts';
import type { StorageWeight, WeightTable } from '../store/weight-table.ts';

/** Where this proxy puts new repositories. */
interface WeighedStorages {
  readonly all: readonly {
    readonly name: string;
    /** From now on these weights count that people have set, and these only. */
    setWeights(weights: ReadonlyMap<string, number>): void;
  }[];
}

export interface WeightWatchOptions {
  readonly table: Pick<WeightTable, 'list'>;
  readonly storages: WeighedStorages;
  readonly clock: Clock;
  readonly logger: Logger;
  /** From one look at the table to the next. Default 750 ms. */
  readonly intervalMs?: number;
}

/**
 * Takes note of the weights that people set, again and again. While the store is away it goes by what it has seen last.
 */
export class WeightWatch implements Stoppable {
  readonly #options: WeightWatchOptions;
  readonly #looks: Repeated;

  constructor(options: WeightWatchOptions) {
    const { clock, logger, intervalMs = 750 } = options;
    this.#options = options;
    this.#looks = new Repeated(() => this.#look(), {
      clock,
      intervalMs,
      // Others tell that the store is away.
      onFailed: (error) =>
        logger.debug({ err: errorMessage(error) }, 'weights cannot be looked up'),
    });
  }

  /**
   * Takes note of the weights that there are, and goes on doing so.
   *
   * @throws StoreUnavailableError if the table cannot be read
   */
  start(): Promise<void> {
    return this.#looks.start();
  }

  stop(): Promise<void> {
    return this.#looks.stop();
  }

  async #look(): Promise<void> {
    const { table, storages } = this.#options;
    const weights = await table.list();
    for (const virtualStorage of storages.all) {
      const own = weights.filter((weight) => weight.virtualStorage === virtualStorage.name);
      virtualStorage.setWeights(new Map(own.map(toEntry)));
    }
  }
}

function toEntry({ storage, weight }: StorageWeight): [string, number] {
  return [storage, weight];
}
