import type { Duplex } from 'node:stream';

/**
 * Exactly `length` bytes; what follows stays in the stream.
 *
 * @throws Error if the stream ends before
 */
export async function readExactly(stream: Duplex, length: number): Promise<Buffer> {
  for (;;) {
    const chunk = stream.read(length) as Buffer | null;
    if (chunk?.length === length) return chunk;
    if (chunk) stream.unshift(chunk);
    if (stream.readableEnded || stream.destroyed) throw new Error('the stream ended too early');
    await nextEvent(stream);
  }
}

function nextEvent(stream: Duplex): Promise<void> {
  const events = ['readable', 'end', 'close'];
  return new Promise((resolve) => {
    const settle = () => {
      for (const event of events) stream.off(event, settle);
      resolve();
    };
    for (const event of events) stream.on(event, settle);
  });
}
