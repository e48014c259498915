import type { Clock } from '../../base/clock.ts';
import { errorMessage } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { Repeated } from '../../base/repeated.ts';
import type { Stoppable } from '../../base/scope.ts';
import type { DiskSpace } from '../routing/placement-weight.ts';

/** A storage whose disk is measured. */
export interface MeasuredStorage {
  readonly name: string;
  readonly health: { readonly kind: string };
  readonly control: {
    /** Undefined if the storage does not tell. Rejects if it does not answer in time. */
    diskSpace(): Promise<DiskSpace | undefined>;
  };
}

interface MeasuredVirtualStorage {
  readonly name: string;
  readonly storages: readonly MeasuredStorage[];
  /** So much is free, or nobody knows. */
  setDisk(storage: string, disk: DiskSpace | undefined): void;
}

export interface DiskWatchOptions {
  readonly storages: { readonly all: readonly MeasuredVirtualStorage[] };
  readonly clock: Clock;
  readonly logger: Logger;
}

/** How often it is looked which storages are due: one that has just been reached is measured at once. */
const lookMs = 1000;
/** From one measurement of a storage to the next. */
export const measureMs = 60_000;
/** What was measured longer ago counts for nothing. */
export const staleMs = 5 * measureMs;
/** So many storages are asked at the same time at most. */
const parallel = 8;

/** When a storage was measured (monotonic). */
interface Measurement {
  readonly askedMs: number;
  readonly answeredMs: number;
}

/** Measures the free space of the storages' disks, each once a minute as long as it is healthy. */
export class DiskWatch implements Stoppable {
  readonly #options: DiskWatchOptions;
  readonly #looks: Repeated;
  readonly #measurements = new Map<MeasuredStorage, Measurement>();

  constructor(options: DiskWatchOptions) {
    const { clock, logger } = options;
    this.#options = options;
    this.#looks = new Repeated(() => this.#look(), {
      clock,
      intervalMs: lookMs,
      onFailed: (error) => logger.error({ err: error }, 'disks cannot be measured'),
    });
  }

  start(): void {
    this.#looks.startLater();
  }

  /** Waits for the measurements that are under way: they end with the connections to the storages. */
  stop(): Promise<void> {
    return this.#looks.stop();
  }

  async #look(): Promise<void> {
    const all = this.#options.storages.all.flatMap((virtualStorage) =>
      virtualStorage.storages.map((storage) => ({ virtualStorage, storage })),
    );
    const nowMs = this.#options.clock.monotonicMs();
    const due: typeof all = [];
    for (const each of all) {
      const { askedMs, answeredMs } = this.#measurements.get(each.storage) ?? never;
      if (nowMs - answeredMs >= staleMs) each.virtualStorage.setDisk(each.storage.name, undefined);
      if (each.storage.health.kind === 'healthy' && nowMs - askedMs >= measureMs) due.push(each);
    }
    // All of them take from the same iterator.
    const next = due.values();
    const measureNext = async () => {
      for (const { virtualStorage, storage } of next) await this.#measure(virtualStorage, storage);
    };
    await Promise.all(Array.from({ length: parallel }, measureNext));
  }

  async #measure(virtualStorage: MeasuredVirtualStorage, storage: MeasuredStorage): Promise<void> {
    const { clock, logger } = this.#options;
    const askedMs = clock.monotonicMs();
    const { answeredMs } = this.#measurements.get(storage) ?? never;
    this.#measurements.set(storage, { askedMs, answeredMs });
    try {
      const disk = await storage.control.diskSpace();
      virtualStorage.setDisk(storage.name, disk);
      this.#measurements.set(storage, { askedMs, answeredMs: clock.monotonicMs() });
    } catch (error) {
      const fields = { virtualStorage: virtualStorage.name, storage: storage.name };
      logger.debug({ ...fields, err: errorMessage(error) }, 'a disk cannot be measured');
    }
  }
}

const never: Measurement = {
  askedMs: Number.NEGATIVE_INFINITY,
  answeredMs: Number.NEGATIVE_INFINITY,
};
