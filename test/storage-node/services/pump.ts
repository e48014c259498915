import { once } from 'node:events';
import type { Writable } from 'node:stream';

/**
 * Writes all chunks, as fast as they are taken, and ends the stream. Once its reader is gone, the rest is read and
 * dropped.
 */
export async function pumpInto(
  target: Writable,
  chunks: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  for await (const chunk of chunks) {
    signal.throwIfAborted();
    if (target.writable && !target.write(chunk)) await drained(target, signal);
  }
  target.end();
}

/** Resolves when the stream takes more, or never will. */
async function drained(target: Writable, signal: AbortSignal): Promise<void> {
  const settled = new AbortController();
  const stop = AbortSignal.any([signal, settled.signal]);
  try {
    await Promise.race([
      once(target, 'drain', { signal: stop }),
      once(target, 'close', { signal: stop }),
    ]);
  } catch {
    signal.throwIfAborted();
  } finally {
    settled.abort();
  }
}
