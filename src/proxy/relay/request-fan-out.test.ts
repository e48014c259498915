import { describe, expect, it } from '@jest/globals';
import type { FlowCredit } from '../wire/http2/stream.ts';
import { RequestFanOut } from './request-fan-out.ts';

/** A storage that takes bytes when it is told to. */
class FakeStream {
  closed = false;
  received = '';
  #untaken = 0;
  #source: FlowCredit | undefined;

  sendData(
    bytes: Buffer,
    start: number,
    end: number,
    _endStream: boolean,
    source: FlowCredit | undefined,
  ): void {
    this.received += bytes.toString('latin1', start, end);
    this.#untaken += end - start;
    this.#source = source;
  }

  take(bytes: number): void {
    this.#untaken -= bytes;
    this.#source?.consumed(bytes);
  }

  /** As a stream that is reset does: what it had not taken is credited. */
  close(): void {
    this.closed = true;
    this.take(this.#untaken);
  }
}

/** So many storages, and how much window the client has had back. */
function fanOutTo(count: number) {
  const client = { granted: 0 };
  const fanOut = new RequestFanOut({
    consumed(bytes) {
      client.granted += bytes;
    },
  });
  const streams = Array.from({ length: count }, () => new FakeStream());
  for (const stream of streams) fanOut.add(stream);
  const send = (text: string) => fanOut.forward(Buffer.from(text), 0, text.length, false);
  const [fast = new FakeStream(), slow = new FakeStream()] = streams;
  return { client, fanOut, fast, slow, send };
}

describe('a request to several storages', () => {
  it('reaches each of them', () => {
    const { fast, slow, send } = fanOutTo(2);
    send('some');
    send('more');
    expect([fast.received, slow.received]).toEqual(['somemore', 'somemore']);
  });

  it('gives the client window back for what the slowest has taken, and no more', () => {
    const { client, fast, slow, send } = fanOutTo(2);
    send('0123456789');
    fast.take(10);
    expect(client.granted).toBe(0);
    slow.take(4);
    expect(client.granted).toBe(4);
    slow.take(6);
    expect(client.granted).toBe(10);
  });

  it('is not held up by a storage that was dropped', () => {
    const { client, fanOut, fast, slow, send } = fanOutTo(2);
    send('0123456789');
    fast.take(10);
    fanOut.drop(slow);
    expect(client.granted).toBe(10);
    send('more');
    fast.take(4);
    expect(client.granted).toBe(14);
    expect(slow.received).toBe('0123456789');
  });

  it('is not held up by a storage whose stream has ended', () => {
    const { client, fast, slow, send } = fanOutTo(2);
    send('0123456789');
    slow.close();
    fast.take(10);
    expect(client.granted).toBe(10);
    send('more');
    fast.take(4);
    expect(client.granted).toBe(14);
  });

  it.each([0, 2])('is used up when none of %i storages takes part', (count) => {
    const { client, fanOut, fast, slow, send } = fanOutTo(count);
    fanOut.drop(fast);
    fanOut.drop(slow);
    send('0123456789');
    expect(client.granted).toBe(10);
  });

  it('gives window back once for each byte when a storage is dropped in the middle', () => {
    const { client, fanOut, fast, slow, send } = fanOutTo(2);
    send('0123456789');
    fast.take(6);
    slow.take(3);
    fanOut.drop(slow);
    expect(client.granted).toBe(6);
    slow.take(7);
    fast.take(4);
    expect(client.granted).toBe(10);
  });
});
