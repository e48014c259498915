import type { Socket } from 'node:net';
import { Transform } from 'node:stream';
import type { Stoppable } from '../../src/base/scope.ts';
import type { Endpoint } from './service-relay.ts';
import { TcpRelay } from './tcp-relay.ts';

/** A way to a server on which answers come no faster than so many bytes a second, each connection for itself. */
export class SlowRelay implements Stoppable {
  readonly #relay: TcpRelay;

  private constructor(relay: TcpRelay) {
    this.#relay = relay;
  }

  static async start(target: Endpoint, bytesPerSecond: number): Promise<SlowRelay> {
    const accept = (near: Socket) => {
      const far = relay.connect({ ...target, allowHalfOpen: true });
      near.pipe(far);
      far.pipe(throttle(bytesPerSecond)).pipe(near);
      near.once('error', () => far.destroy());
      far.once('error', () => near.resetAndDestroy());
    };
    const relay = await TcpRelay.start({ allowHalfOpen: true }, accept);
    return new SlowRelay(relay);
  }

  get address(): Endpoint {
    return { host: '127.0.0.1', port: this.#relay.port };
  }

  stop(): Promise<void> {
    return this.#relay.stop();
  }
}

/** How far it may be behind, as timers are late on a busy machine, and make up for it. */
const burstMs = 100;

/** Passes on what it gets, each chunk after as long as it takes at that speed. */
function throttle(bytesPerSecond: number): Transform {
  let dueMs = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const nowMs = performance.now();
      dueMs = Math.max(dueMs, nowMs - burstMs) + (1000 * chunk.length) / bytesPerSecond;
      if (dueMs <= nowMs) done(null, chunk);
      else setTimeout(done, dueMs - nowMs, null, chunk);
    },
  });
}
