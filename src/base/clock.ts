/** A pending call of {@link Clock.after}. */
export interface Timer {
  /** Prevents the call if it has not happened yet. May be called any number of times. */
  cancel(): void;
}

/** Time, injected so that decisions can be tested and simulated without waiting. */
export interface Clock {
  /** Milliseconds of a clock that never goes back. Only differences mean something. */
  monotonicMs(): number;
  /** Milliseconds since 1970-01-01 UTC. May jump. */
  wallMs(): number;
  /**
   * Calls `callback` once, `delayMs` from now, 24 days at most. Does not keep the process alive by
   * itself.
   */
  after(delayMs: number, callback: () => void): Timer;
}

/** Node.js takes a longer delay for none at all. */
const maxDelayMs = 2 ** 31 - 1;

/** The machine's clock. */
export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  after(delayMs, callback) {
    const handle = setTimeout(callback, Math.min(delayMs, maxDelayMs));
    handle.unref();
    return { cancel: () => clearTimeout(handle) };
  },
};

/** Resolves after `delayMs`, or rejects with the signal's reason as soon as it is aborted. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(asError(signal.reason));
      return;
    }
    const onAbort = () => {
      timer.cancel();
      reject(asError(signal?.reason));
    };
    const timer = clock.after(delayMs, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/**
 * Settles as `promise` does, or rejects with a {@link TimeoutError} after `limitMs`.
 * The work behind `promise` is not stopped: give it a signal if it should be.
 */
export function withTimeout<T>(
  clock: Clock,
  limitMs: number,
  what: string,
  promise: Promise<T>,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = clock.after(limitMs, () => reject(new TimeoutError(what, limitMs)));
    promise.then(resolve, reject).finally(() => timer.cancel());
  });
}

/** Something did not happen within its limit. */
export class TimeoutError extends Error {
  constructor(what: string, limitMs: number) {
    super(`${what} took longer than ${limitMs} ms`);
    this.name = 'TimeoutError';
  }
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error('aborted', { cause: reason });
}
