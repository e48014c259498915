import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import {
  isTrusted,
  noWriteFailures,
  stepWriteFailures,
  type WriteEvidence,
} from './write-failures.ts';

export interface WriteWatchOptions {
  readonly storage: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Keeps in mind how this proxy's writes end on one storage. */
export class WriteWatch {
  readonly #options: WriteWatchOptions;
  #state = noWriteFailures;

  constructor(options: WriteWatchOptions) {
    this.#options = options;
  }

  /** Whether the storage fails writes that others can do: it should not be a primary. */
  get failsWrites(): boolean {
    // Of most storages nothing was ever counted, and each write asks for this.
    return this.#state !== noWriteFailures && !this.#isTrusted;
  }

  /** A write has ended there. */
  ended(evidence: WriteEvidence): void {
    if (evidence === 'done' && this.#state === noWriteFailures) return;
    const { clock, logger, storage } = this.#options;
    const wasTrusted = this.#isTrusted;
    this.#state = stepWriteFailures(this.#state, evidence, clock.monotonicMs());
    if (!wasTrusted || this.#isTrusted) return;
    logger.warn({ storage }, 'the storage fails writes that others can do: primaries move away');
  }

  get #isTrusted(): boolean {
    return isTrusted(this.#state, this.#options.clock.monotonicMs());
  }
}
