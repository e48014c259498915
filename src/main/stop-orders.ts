import { systemClock, withTimeout } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Stoppable } from '../base/scope.ts';

/** What a process is told about its end. */
export interface StopOrders {
  /** Aborted when it is to stop, with an Error that says who has told it. */
  readonly stop: AbortSignal;
  /** Aborted, after `stop`, when it is not to wait for clients any more. */
  readonly hurry: AbortSignal;
}

/** The first SIGTERM or SIGINT says that it is to stop, the second that it is to hurry. */
export function ordersFromSignals(from: Pick<NodeJS.Process, 'on'>): StopOrders {
  const [stop, hurry] = [new AbortController(), new AbortController()];
  const onSignal = (signal: NodeJS.Signals) => {
    if (stop.signal.aborted) hurry.abort();
    else stop.abort(new Error(`told to stop by ${signal}`));
  };
  // The first process of a container gets no signal that it does not listen to.
  from.on('SIGTERM', onSignal).on('SIGINT', onSignal);
  return { stop: stop.signal, hurry: hurry.signal };
}

export interface ServeOptions {
  /** Starts what serves. Gives up when it is told to stop meanwhile. */
  start(): Promise<Stoppable & { stopNow(): Promise<void> }>;
  readonly orders: StopOrders;
  /** How long the stop may take. */
  readonly limitMs: number;
  readonly logger: Logger;
}

/**
 * Serves until it is told to stop, and stops. Rejects as `start` does.
 *
 * @returns the exit code: 0, or 1 if it did not stop in order
 */
export async function serveUntilTold(options: ServeOptions): Promise<number> {
  const { orders, limitMs, logger } = options;
  const server = await options.start();
  await aborted(orders.stop);
  const { message: reason } = orders.stop.reason as Error;
  logger.info({ reason }, 'proxy stops');
  void aborted(orders.hurry).then(() => server.stopNow());
  try {
    await withTimeout(systemClock, limitMs, 'stopping', server.stop());
    return 0;
  } catch (error) {
    logger.error({ err: error }, 'proxy did not stop in order');
    return 1;
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
