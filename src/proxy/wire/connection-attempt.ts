import type { Socket } from 'node:net';
import { type Clock, TimeoutError } from '../../base/clock.ts';

export interface ConnectionAttemptOptions {
  /** For all steps together. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly signal?: AbortSignal;
}

/** An attempt to connect to `peer`, in several steps: each ends with an event of a socket. */
export class ConnectionAttempt {
  readonly peer: string;
  readonly #options: ConnectionAttemptOptions;
  readonly #endsMs: number;

  constructor(options: ConnectionAttemptOptions, peer: string) {
    this.#options = options;
    this.peer = peer;
    this.#endsMs = options.clock.monotonicMs() + options.timeoutMs;
  }

  /**
   * Waits for the event. A socket that does not get there is destroyed.
   *
   * @throws Error that names the peer, with the socket's error as its cause; TimeoutError; an error with the
   *   signal's reason as its cause
   */
  opens(socket: Socket, event: 'connect' | 'secureConnect'): Promise<void> {
    const { clock, timeoutMs, signal } = this.#options;
    const { peer } = this;
    return new Promise((resolve, reject) => {
      const settle = (error: Error | undefined) => {
        timer.cancel();
        signal?.removeEventListener('abort', onAbort);
        socket.off('error', onError);
        if (error === undefined) {
          resolve();
          return;
        }
        socket.destroy();
        reject(error);
      };
      const onAbort = () =>
        settle(new Error(`connecting to ${peer} was cancelled`, { cause: signal?.reason }));
      const onError = (error: Error) =>
        settle(new Error(`cannot connect to ${peer}: ${error.message}`, { cause: error }));
      const onTimeout = () => settle(new TimeoutError(`connecting to ${peer}`, timeoutMs));
      const leftMs = Math.ceil(this.#endsMs - clock.monotonicMs());
      const timer = clock.after(Math.max(0, leftMs), onTimeout);
      signal?.addEventListener('abort', onAbort, { once: true });
      socket.once('error', onError);
      socket.once(event, () => settle(undefined));
      if (signal?.aborted) onAbort();
    });
  }
}
