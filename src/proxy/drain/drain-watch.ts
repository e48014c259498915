import type { Clock } from '../../base/clock.ts';
import { errorMessage } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { Repeated } from '../../base/repeated.ts';
import type { Stoppable } from '../../base/scope.ts';
import type { CallClass, DrainBoard, DrainReport, DrainRequest } from '../store/drain-board.ts';
import type { StorageKey } from '../store/storage-identity.ts';
import { callsOn, countCalls, type RunningCall } from './calls-left.ts';
import { outlived } from './outlived.ts';

/** What this proxy sends calls to. */
interface DrainedStorages {
  readonly all: readonly {
    readonly name: string;
    /** From now on clients are kept away from these storages, and from these only. */
    keepAwayFrom(storages: ReadonlySet<string>): void;
  }[];
}

/** A call that can be ended before its time. */
export interface CuttableCall extends RunningCall {
  /** @param reason what cannot wait any longer */
  cut(reason: string): void;
}

export interface DrainWatchOptions {
  readonly board: Pick<DrainBoard, 'list' | 'report'>;
  readonly storages: DrainedStorages;
  /** The calls that run now. */
  runningCalls(): readonly CuttableCall[];
  /** A call was cut, since it has outlived the grace of its class. */
  onCut(callClass: CallClass): void;
  /** This proxy, as in its lease. */
  readonly owner: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** From one look at the board to the next. Default 750 ms. */
  readonly intervalMs?: number;
}

/**
 * This proxy's part in drains: looks at the board again and again, keeps clients away from the storages that are
 * named there, reports the calls that it still has on them, and cuts those that take too long. While the store is away it goes by what it has
 * seen last. See {@link DrainBoard}.
 */
export class DrainWatch implements Stoppable {
  readonly #options: DrainWatchOptions;
  readonly #looks: Repeated;
  /** When each drain was noted first, by storage (monotonic). */
  #notedMs: ReadonlyMap<string, number> = new Map();
  /** Those that end with what was decided go on for a while. */
  readonly #cut = new WeakSet<CuttableCall>();

  constructor(options: DrainWatchOptions) {
    const { clock, logger, intervalMs = 750 } = options;
    this.#options = options;
    this.#looks = new Repeated(() => this.#look(), {
      clock,
      intervalMs,
      // Others tell that the store is away.
      onFailed: (error) =>
        logger.debug({ err: errorMessage(error) }, 'drains cannot be looked up or reported'),
    });
  }

  /**
   * Takes note of the drains that there are, and goes on doing so.
   *
   * @throws StoreUnavailableError if the board cannot be read
   */
  start(): Promise<void> {
    return this.#looks.start();
  }

  stop(): Promise<void> {
    return this.#looks.stop();
  }

  async #look(): Promise<void> {
    const { board, owner } = this.#options;
    const requests = await board.list();
    this.#takeNote(requests);
    // Counted after that: every call that is routed from now on is routed by it.
    const reports = requests.map((request) => this.#carryOut(request));
    if (reports.length > 0) await board.report(owner, reports);
  }

  #takeNote(requests: readonly DrainRequest[]): void {
    const { storages, clock, logger } = this.#options;
    const before = this.#notedMs;
    const nowMs = clock.monotonicMs();
    this.#notedMs = new Map(requests.map((it) => [nameOf(it), before.get(nameOf(it)) ?? nowMs]));
    for (const virtualStorage of storages.all) {
      const drained = requests.filter((request) => request.virtualStorage === virtualStorage.name);
      virtualStorage.keepAwayFrom(new Set(drained.map(({ storage }) => storage)));
    }
    for (const { virtualStorage, storage, requester, reason } of requests) {
      if (before.has(nameOf({ virtualStorage, storage }))) continue;
      logger.info({ virtualStorage, storage, requester, reason }, 'a storage is being drained');
    }
    for (const ended of [...before.keys()].filter((name) => !this.#notedMs.has(name))) {
      logger.info({ storage: ended }, 'a storage is drained no longer');
    }
  }

  /** Cuts the calls that have outlived the request's graces, and counts those that are left. */
  #carryOut(request: DrainRequest): DrainReport {
    const { clock, runningCalls, onCut } = this.#options;
    const nowMs = clock.monotonicMs();
    const notedMs = this.#notedMs.get(nameOf(request)) ?? nowMs;
    const there = () => callsOn(request, runningCalls(), notedMs);
    for (const { call, class: callClass } of outlived(there(), request.graces, {
      notedMs,
      nowMs,
    })) {
      if (this.#cut.has(call)) continue;
      this.#cut.add(call);
      call.cut(`storage ${request.storage} is being drained`);
      onCut(callClass);
    }
    return { id: request.id, calls: countCalls(there(), nowMs) };
  }
}

function nameOf({ virtualStorage, storage }: StorageKey): string {
  return `${virtualStorage}/${storage}`;
}
