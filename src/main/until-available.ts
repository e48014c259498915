import { backoffDelayMs, type BackoffPolicy } from '../base/backoff.ts';
import { sleep, type Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import { StoreUnavailableError } from '../proxy/store/control-store.ts';

export interface UntilAvailableOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Gives up. */
  readonly signal?: AbortSignal;
}

const retryPolicy: BackoffPolicy = { initialMs: 200, maxMs: 3000 };
const reminderMs = 10_000;

/**
 * Does what needs the store until it is there, and tells why it waits: whenever the reason changes,
 * else every 10 s.
 *
 * @throws Error whatever else `action` rejects with, or the signal's reason
 */
export async function untilAvailable<T>(
  { clock, random, logger, signal }: UntilAvailableOptions,
  action: () => Promise<T>,
): Promise<T> {
  let told: { readonly reason: string; readonly atMs: number } | undefined;
  for (let attempts = 1; ; attempts++) {
    signal?.throwIfAborted();
    try {
      return await action();
    } catch (error) {
      if (!(error instanceof StoreUnavailableError)) throw error;
      const reason = error.message;
      const atMs = clock.monotonicMs();
      if (told?.reason !== reason || atMs - told.atMs >= reminderMs) {
        logger.warn({ reason }, 'waiting for the database');
        told = { reason, atMs };
      }
    }
    await sleep(clock, backoffDelayMs(retryPolicy, attempts, random), signal);
  }
}
