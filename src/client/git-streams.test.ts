import { PassThrough, Readable, Writable } from 'node:stream';
import { describe, expect, test } from '@jest/globals';
import { startPump, writeTo } from './git-streams.ts';

describe('writing', () => {
  test('waits until there is room', async () => {
    const target = new PassThrough({ highWaterMark: 4 });
    const order: string[] = [];
    const writing = writeTo(target, Buffer.from('12345')).then(() => order.push('written'));
    await Promise.resolve();
    order.push(String(target.read()));
    await writing;
    expect(order).toEqual(['12345', 'written']);
    expect(target.listenerCount('drain')).toBe(0);
  });

  test('rejects when the reader goes away, while waiting and afterwards', async () => {
    const target = new Writable({ highWaterMark: 1, write() {} });
    target.on('error', () => {});
    const writing = writeTo(target, Buffer.from('12'));
    target.destroy(new Error('EPIPE'));
    await expect(writing).rejects.toThrow('EPIPE');
    await expect(writeTo(target, Buffer.from('3'))).rejects.toThrow('EPIPE');
  });

  test('rejects when the target was closed without an error', async () => {
    const target = new Writable({ highWaterMark: 1, write() {} });
    const writing = writeTo(target, Buffer.from('12'));
    target.destroy();
    await expect(writing).rejects.toThrow('git closed its end');
  });
});

describe('a pump', () => {
  test('takes one chunk at a time, in order, and ends with the source', async () => {
    const taken: string[] = [];
    let running = 0;
    const { done } = startPump(
      Readable.from([Buffer.from('a'), Buffer.from('b')]),
      async (chunk) => {
        running += 1;
        expect(running).toBe(1);
        await new Promise((resolve) => setImmediate(resolve));
        taken.push(chunk.toString());
        running -= 1;
        return true;
      },
    );
    await done;
    expect(taken).toEqual(['a', 'b']);
  });

  test('ends when no more is wanted, and leaves the rest in the source', async () => {
    const source = new PassThrough();
    source.write('a');
    await startPump(source, () => Promise.resolve(false)).done;
    source.write('b');
    expect(String(source.read())).toBe('b');
  });

  test('can be stopped while the source is silent', async () => {
    const source = new PassThrough();
    const pump = startPump(source, () => Promise.resolve(true));
    pump.stop();
    await pump.done;
    source.destroy(new Error('nobody hears this'));
  });

  test('fails with the source, and with the taker', async () => {
    const source = new PassThrough();
    const failing = startPump(source, () => Promise.resolve(true));
    source.destroy(new Error('EIO'));
    await expect(failing.done).rejects.toThrow('EIO');
    const closed = new PassThrough();
    const cut = startPump(closed, () => Promise.resolve(true));
    closed.destroy();
    await expect(cut.done).rejects.toThrow('Premature close');
    const refused = startPump(Readable.from([Buffer.from('a')]), () =>
      Promise.reject(new Error('no')),
    );
    await expect(refused.done).rejects.toThrow('no');
  });

  test('is done at once when the source has ended before', async () => {
    const source = Readable.from([]);
    source.resume();
    await new Promise((resolve) => source.on('end', resolve));
    const taken: Buffer[] = [];
    await startPump(source, async (chunk) => taken.push(chunk) > 0).done;
    expect(taken).toEqual([]);
  });
});
