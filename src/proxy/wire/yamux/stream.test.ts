import { describe, expect, test } from '@jest/globals';
import { ManualClock } from '../../../../test/support/manual-clock.ts';
import { frameFlag, frameType, writeHeader } from './frames.ts';
import { YamuxSession } from './session.ts';
import { createPeer, memoryLink, Recorder } from './testing.ts';

const { data, windowUpdate } = frameType;
const { syn, fin, rst } = frameFlag;

function frame(type: number, flags: number, streamId: number, length: number): Buffer {
  const header = Buffer.alloc(12);
  writeHeader(header, 0, type, flags, streamId, length);
  return type === data ? Buffer.concat([header, Buffer.alloc(length, 'x')]) : header;
}

/** One stream that a bare peer opened, with a window of 256 KiB each way. */
async function createStream(capacityBytes = 8 * 1024 * 1024) {
  const { session, link, clock, accepted, ...peer } = createPeer({}, { capacityBytes });
  const send = async (...frames: readonly Buffer[]) =>
    Buffer.from(await peer.send(Buffer.concat(frames)), 'hex');
  await send(frame(windowUpdate, syn, 1, 0));
  const stream = accepted[0];
  if (stream === undefined) throw new Error('no stream was accepted');
  return { stream, session, link, clock, send };
}

describe('YamuxStream windows', () => {
  test('gives window back when half of it was consumed, not before', async () => {
    const { stream, send } = await createStream();
    stream.start(new Recorder());
    await send(frame(data, 0, 1, 200_000));
    stream.consumed(131_071);
    expect(await send()).toHaveLength(0);
    stream.consumed(1);
    expect((await send()).toString('hex')).toBe('000100000000000100020000');
  });

  test('consuming more than was delivered gives back no more than that', async () => {
    const { stream, session, send } = await createStream();
    stream.start(new Recorder());
    await send(frame(data, 0, 1, 131_072));
    stream.consumed(10_000_000);
    expect((await send()).readUInt32BE(8)).toBe(131_072);
    await send(frame(data, 0, 1, 262_144), frame(data, 0, 1, 1));
    expect(session.closed).toBe(true);
  });

  test('takes exactly the window, and goes on after exactly what was granted', async () => {
    const { stream, send } = await createStream();
    const recorder = new Recorder();
    stream.start(recorder);
    let written = 0;
    for (let n = stream.capacity(); n > 0; n = stream.capacity()) {
      stream.write(Buffer.alloc(n), n);
      written += n;
    }
    expect(written).toBe(262_144);
    await send();
    expect(recorder.drains).toBe(0);
    await send(frame(windowUpdate, 0, 1, 7));
    expect(recorder.drains).toBe(1);
    expect(stream.capacity()).toBe(7);
  });

  test('a write that uses up the window is followed by onDrain without asking for capacity', async () => {
    const { stream, send } = await createStream();
    const recorder = new Recorder();
    stream.start(recorder);
    for (const length of [200_000, 62_144]) stream.write(Buffer.alloc(length), length);
    await send(frame(windowUpdate, 0, 1, 1));
    expect(recorder.drains).toBe(1);
  });

  test('a write beyond the capacity is refused', async () => {
    const { stream } = await createStream();
    expect(() => stream.write(Buffer.alloc(262_145), 262_145)).toThrow(RangeError);
    stream.end();
    expect(() => stream.write(Buffer.alloc(1), 1)).toThrow(RangeError);
  });

  test('no more than the output holds is taken while the transport is stuck', async () => {
    const { stream, link, send } = await createStream(300_000);
    await send(frame(windowUpdate, 0, 1, 10_000_000));
    stream.start(new Recorder());
    let written = 0;
    for (let n = stream.capacity(); n > 0; n = stream.capacity()) {
      stream.write(Buffer.alloc(n), n);
      written += n;
    }
    expect(written).toBeLessThan(300_000 + 262_144);
    link.b.consumed(300_000);
    await send();
    expect(stream.capacity()).toBeGreaterThan(0);
  });

  test('two streams that wait for the same output both get on', async () => {
    const link = memoryLink({ capacityBytes: 20_000 });
    const clock = new ManualClock();
    const sinks: Recorder[] = [];
    const base = { clock, onClosed() {} };
    const client = new YamuxSession({ ...base, transport: link.a, role: 'client', onStream() {} });
    const server = new YamuxSession({
      ...base,
      transport: link.b,
      role: 'server',
      onStream(stream) {
        const sink = new Recorder();
        sinks.push(sink);
        stream.start({
          onData(chunk) {
            sink.onData(chunk);
            stream.consumed(chunk.length);
          },
          onDrain() {},
          onEnd: () => sink.onEnd(),
          onClose() {},
        });
      },
    });
    client.start();
    server.start();
    const total = 3_000_000;
    for (let index = 0; index < 2; index += 1) {
      const stream = client.open();
      let left = total;
      const pump = () => {
        for (let n = stream.capacity(); n > 0 && left > 0; n = stream.capacity()) {
          const length = Math.min(n, left);
          stream.write(Buffer.alloc(length, index), length);
          left -= length;
        }
        if (left === 0) stream.end();
      };
      stream.start({ onData() {}, onDrain: pump, onEnd() {}, onClose() {} });
      pump();
    }
    await link.settle();
    expect(sinks.map((sink) => sink.bytes.length)).toEqual([total, total]);
    expect(sinks.map((sink) => new Set(sink.bytes).size)).toEqual([1, 1]);
    expect(sinks.map((sink) => sink.log.at(-1))).toEqual(['end', 'end']);
  });
});

describe('YamuxStream before start', () => {
  test('keeps what arrives, and its end, and delivers it inside start', async () => {
    const { stream, send } = await createStream();
    await send(frame(data, 0, 1, 3), frame(data, fin, 1, 4));
    const recorder = new Recorder();
    stream.start(recorder);
    expect(recorder.bytes.toString()).toBe('xxxxxxx');
    expect(recorder.log).toEqual(['data', 'end']);
  });

  test('keeps many tiny chunks in memory of their own size', async () => {
    const { stream, send } = await createStream(64 * 1024 * 1024);
    await send(...Array.from({ length: 100_000 }, () => frame(data, 0, 1, 1)));
    const recorder = new Recorder();
    stream.start(recorder);
    expect(recorder.bytes).toHaveLength(100_000);
    expect(stream.capacity()).toBe(262_132);
  });

  test('delivers the rest of a stream that was closed in order', async () => {
    const { stream, session, send } = await createStream();
    await send(frame(data, 0, 1, 3));
    stream.end();
    await send(frame(windowUpdate, fin, 1, 0));
    expect(session.streamCount).toBe(0);
    const recorder = new Recorder();
    stream.start(recorder);
    expect(recorder.log).toEqual(['data', 'end', 'close']);
    expect(recorder.closeError).toBeUndefined();
  });

  test('reports only the error of a stream that was reset', async () => {
    const { stream, send } = await createStream();
    await send(frame(data, 0, 1, 3), frame(windowUpdate, rst, 1, 0));
    const recorder = new Recorder();
    stream.start(recorder);
    expect(recorder.log).toEqual(['close']);
    expect(recorder.closeError?.message).toMatch(/reset/);
  });

  test('cannot be started twice', async () => {
    const { stream } = await createStream();
    stream.start(new Recorder());
    expect(() => stream.start(new Recorder())).toThrow(/already/);
  });
});

describe('YamuxStream ending', () => {
  test('a half closed stream goes on in the other direction', async () => {
    const { stream, session, send } = await createStream();
    const recorder = new Recorder();
    stream.start(recorder);
    stream.end();
    stream.end();
    expect((await send()).toString('hex')).toBe('000100040000000100000000');
    await send(frame(data, 0, 1, 5));
    expect(recorder.bytes).toHaveLength(5);
    await send(frame(windowUpdate, fin, 1, 0));
    expect(recorder.log).toEqual(['data', 'end', 'close']);
    expect(recorder.closeError).toBeUndefined();
    expect(session.streamCount).toBe(0);
  });

  test('writes still arrive after the peer ended', async () => {
    const { stream, send } = await createStream();
    const recorder = new Recorder();
    stream.start(recorder);
    await send(frame(windowUpdate, fin, 1, 0));
    stream.write(Buffer.from('bye'), 3);
    stream.end();
    expect((await send()).toString('hex')).toBe(
      '000000000000000100000003627965000100040000000100000000',
    );
    expect(recorder.log).toEqual(['end', 'close']);
  });

  test('destroy resets, reports the error once, later, and drops writes', async () => {
    const { stream, session, send } = await createStream();
    const recorder = new Recorder();
    stream.start(recorder);
    stream.destroy(new Error('enough'));
    stream.destroy();
    expect(recorder.log).toEqual([]);
    expect(stream.write(Buffer.alloc(3), 3)).toBe(true);
    expect((await send()).toString('hex')).toBe('000100080000000100000000');
    expect(recorder.log).toEqual(['close']);
    expect(recorder.closeError?.message).toBe('enough');
    await send(frame(data, 0, 1, 5));
    expect(recorder.bytes).toHaveLength(0);
    expect(session.streamCount).toBe(0);
  });

  test('destroy from inside onData stops the rest of the chunk', async () => {
    const { stream, send } = await createStream();
    const log: string[] = [];
    stream.start({
      onData() {
        log.push('data');
        stream.destroy();
      },
      onDrain() {},
      onEnd: () => log.push('end'),
      onClose: () => log.push('close'),
    });
    await send(frame(data, 0, 1, 1), frame(data, fin, 1, 1));
    expect(log).toEqual(['data', 'close']);
  });

  test('a peer that never ends its half is reset after 5 min of silence', async () => {
    const { stream, clock, send } = await createStream();
    const recorder = new Recorder();
    stream.start(recorder);
    stream.end();
    await send();
    await clock.advance(299_000);
    await send(frame(data, 0, 1, 5));
    stream.consumed(5);
    await clock.advance(300_000);
    expect(recorder.log).toEqual(['data']);
    await clock.advance(300_000);
    expect((await send()).toString('hex')).toBe('000100080000000100000000');
    expect(recorder.closeError?.message).toMatch(/in time/);
    expect(clock.pendingCount).toBe(0);
  });

  test('a consumer that holds bytes back does not count as silence of the peer', async () => {
    const { stream, clock, send } = await createStream();
    const recorder = new Recorder();
    stream.start(recorder);
    stream.end();
    await send(frame(data, 0, 1, 5));
    await clock.advance(3_600_000);
    await send();
    expect(recorder.log).toEqual(['data']);
  });
});
