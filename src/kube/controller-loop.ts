import type { Clock } from '../base/clock.ts';
import { assertNever } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Stoppable } from '../base/scope.ts';
import type { WorkQueue } from './work-queue.ts';

/** What a reconcile came to. A failure is thrown instead: it is logged and tried again, later each time. */
export type ReconcileResult =
  | { readonly kind: 'done' }
  /** Look again after a while, also if nothing calls for it. */
  | { readonly kind: 'again'; readonly afterMs: number };

/** Brings one key to what is wanted. Level-triggered: it is told nothing of what happened. */
export type Reconcile = (key: string, context: ReconcileContext) => Promise<ReconcileResult>;

/** What a reconcile gets beside its key. */
interface ReconcileContext {
  /** Adds the key and the number of the run to each line. */
  readonly logger: Logger;
  /** Aborted when the loop stops. */
  readonly signal: AbortSignal;
}

/** Told of each run, for metrics. */
export interface ReconcileObserver {
  reconciled(outcome: ReconcileResult['kind'] | 'failed', durationMs: number): void;
}

/** What a controller loop needs. */
export interface ControllerLoopOptions {
  readonly queue: WorkQueue;
  readonly reconcile: Reconcile;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly observer: ReconcileObserver;
  /** How many keys are worked on at the same time. Default 4. */
  readonly workers?: number;
}

/**
 * Works on the queue's keys: different ones at the same time, one and the same never. Stopping waits
 * for what is under way.
 */
export function startControllerLoop(options: ControllerLoopOptions): Stoppable {
  const { queue, reconcile, clock, logger, observer, workers = 4 } = options;
  const stopping = new AbortController();
  let runs = 0;

  async function run(key: string): Promise<void> {
    runs += 1;
    const context = { logger: logger.child({ key, run: runs }), signal: stopping.signal };
    const startedMs = clock.monotonicMs();
    const took = () => clock.monotonicMs() - startedMs;
    try {
      const result = await reconcile(key, context);
      observer.reconciled(result.kind, took());
      queue.forget(key);
      switch (result.kind) {
        case 'done':
          break;
        case 'again':
          queue.addAfter(key, result.afterMs);
          break;
        default:
          assertNever(result);
      }
    } catch (failure) {
      if (stopping.signal.aborted) return;
      observer.reconciled('failed', took());
      context.logger.error({ err: failure }, 'the reconcile failed and is tried again');
      queue.addRateLimited(key);
    } finally {
      queue.done(key);
    }
  }

  async function work(): Promise<void> {
    for (;;) {
      const key = await queue.take();
      if (key === undefined) return;
      await run(key);
    }
  }

  const working = Promise.all(Array.from({ length: workers }, work));
  return {
    async stop() {
      queue.stop();
      stopping.abort(new Error('stopped'));
      await working;
    },
  };
}
