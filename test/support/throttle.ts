import { Transform } from 'node:stream';

/** How far it may be behind, as timers are late on a busy machine, and make up for it. */
const burstMs = 100;

/** Passes on what it gets, each chunk after as long as it takes at that speed. */
export function throttle(bytesPerSecond: number): Transform {
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
