import { describe, expect, test } from '@jest/globals';
import { ManualClock } from '../../../../test/support/manual-clock.ts';
import { frameFlag, frameType, writeHeader } from './frames.ts';
import { YamuxSession, type YamuxSessionOptions } from './session.ts';
import type { YamuxStream } from './stream.ts';
import { memoryLink, type MemoryLinkOptions, Recorder } from './testing.ts';

const { data, windowUpdate, ping, goAway } = frameType;
const { syn, ack, fin, rst } = frameFlag;

function frame(type: number, flags: number, streamId: number, length: number, payload?: Buffer) {
  const header = Buffer.alloc(12);
  writeHeader(header, 0, type, flags, streamId, length);
  return payload === undefined ? header : Buffer.concat([header, payload]);
}

function dataFrame(streamId: number, payload: Buffer, flags = 0): Buffer {
  return frame(data, flags, streamId, payload.length, payload);
}

/** A session on one side, bare bytes on the other. */
function createPeer(
  options: Partial<YamuxSessionOptions> = {},
  linkOptions: MemoryLinkOptions = {},
) {
  const link = memoryLink({ capacityBytes: 8 * 1024 * 1024, ...linkOptions });
  const clock = new ManualClock();
  const accepted: YamuxStream[] = [];
  const closed: (Error | undefined)[] = [];
  const session = new YamuxSession({
    transport: link.a,
    role: 'server',
    clock,
    maxStreamWindowBytes: 262_144,
    onStream: (stream) => accepted.push(stream),
    onClosed: (error) => closed.push(error),
    ...options,
  });
  const wire = new Recorder();
  link.b.start(wire);
  session.start();
  let read = 0;
  return {
    session,
    link,
    clock,
    accepted,
    closed,
    wire,
    /** Sends bytes to the session and returns what came back since the last call, as hex. */
    async send(...frames: readonly Buffer[]): Promise<string> {
      const bytes = Buffer.concat(frames);
      if (bytes.length > 0) link.b.write(bytes, bytes.length);
      await link.settle();
      const answer = wire.bytes.subarray(read).toString('hex');
      read = wire.bytes.length;
      return answer;
    },
  };
}

/** Two sessions that talk to each other. */
function createPair(
  options: Partial<YamuxSessionOptions> = {},
  linkOptions: MemoryLinkOptions = {},
) {
  const link = memoryLink(linkOptions);
  const clock = new ManualClock();
  const accepted: YamuxStream[] = [];
  const closed: string[] = [];
  const base = { clock, onStream: (stream: YamuxStream) => accepted.push(stream), ...options };
  const client = new YamuxSession({
    ...base,
    transport: link.a,
    role: 'client',
    onClosed: () => closed.push('client'),
  });
  const server = new YamuxSession({
    ...base,
    transport: link.b,
    role: 'server',
    onClosed: () => closed.push('server'),
  });
  client.start();
  server.start();
  return { link, clock, client, server, accepted, closed };
}

function firstOf<T>(items: readonly T[]): T {
  const first = items[0];
  if (first === undefined) throw new Error('expected at least one');
  return first;
}

const goAwayProtocolError = '000300000000000000000001';

describe('YamuxSession opening', () => {
  test('a client opens stream 1 with the bytes of the wire', async () => {
    const peer = createPeer({ role: 'client' });
    peer.session.open();
    expect(await peer.send()).toBe('000100010000000100000000');
  });

  test('a larger window is granted with the opening and with the acknowledgement', async () => {
    const client = createPeer({ role: 'client', maxStreamWindowBytes: 16_777_216 });
    client.session.open();
    expect(await client.send()).toBe('000100010000000100fc0000');
    const server = createPeer({ maxStreamWindowBytes: 16_777_216 });
    expect(await server.send(frame(windowUpdate, syn, 1, 0))).toBe('000100020000000100fc0000');
  });

  test('a window smaller than the protocol has is refused', () => {
    expect(() => createPeer({ maxStreamWindowBytes: 262_143 })).toThrow(RangeError);
  });

  test('an opening is acknowledged at once, and reported with its peer', async () => {
    const peer = createPeer();
    expect(await peer.send(frame(windowUpdate, syn, 1, 0))).toBe('000100020000000100000000');
    expect(firstOf(peer.accepted).id).toBe(1);
    expect(firstOf(peer.accepted).peer).toBe('memory:a#1');
  });

  test('openings beyond the backlog wait for an acknowledgement', async () => {
    const peer = createPeer({ role: 'client', acceptBacklog: 1 });
    const first = peer.session.open();
    const second = peer.session.open();
    expect(first.capacity()).toBe(262_144 - 24);
    expect(second.capacity()).toBe(0);
    expect(await peer.send()).toBe('000100010000000100000000');
    expect(await peer.send(frame(windowUpdate, ack, 1, 0))).toBe('000100010000000300000000');
    expect(second.capacity()).toBeGreaterThan(0);
  });

  test('a queued stream that was ended opens and ends when it is its turn', async () => {
    const peer = createPeer({ role: 'client', acceptBacklog: 1 });
    peer.session.open();
    peer.session.open().end();
    await peer.send();
    expect(await peer.send(frame(windowUpdate, ack, 1, 0))).toBe(
      '000100010000000300000000000100040000000300000000',
    );
  });

  test('a queued stream that was destroyed never reaches the peer', async () => {
    const peer = createPeer({ role: 'client', acceptBacklog: 1 });
    peer.session.open();
    const recorder = new Recorder();
    const queued = peer.session.open();
    queued.start(recorder);
    queued.destroy();
    await peer.send();
    expect(await peer.send(frame(windowUpdate, ack, 1, 0))).toBe('');
    expect(recorder.log).toEqual(['close']);
  });

  test('a reset of an unacknowledged opening lets the next one go', async () => {
    const peer = createPeer({ role: 'client', acceptBacklog: 1 });
    const recorder = new Recorder();
    peer.session.open().start(recorder);
    peer.session.open();
    await peer.send();
    expect(await peer.send(frame(windowUpdate, rst, 1, 0))).toBe('000100010000000300000000');
    expect(recorder.closeError?.message).toMatch(/reset/);
  });

  test('an opening that is never acknowledged ends the session after 75 s', async () => {
    const peer = createPeer({ role: 'client' });
    peer.session.open();
    await peer.send();
    await peer.clock.advance(74_999);
    expect(peer.session.closed).toBe(false);
    await peer.clock.advance(1);
    await peer.send();
    expect(peer.session.closed).toBe(true);
    expect(peer.closed[0]?.message).toMatch(/acknowledge/);
  });

  test('streams beyond the limit are reset, and room comes back when one closes', async () => {
    const peer = createPeer({ maxStreams: 1 });
    await peer.send(frame(windowUpdate, syn, 1, 0));
    expect(await peer.send(frame(windowUpdate, syn, 3, 0))).toBe('000100080000000300000000');
    await peer.send(frame(windowUpdate, rst, 1, 0));
    expect(await peer.send(frame(windowUpdate, syn, 5, 0))).toBe('000100020000000500000000');
  });

  test('too many openings of ours close with an error when they are started', async () => {
    const peer = createPeer({ role: 'client', maxStreams: 1 });
    peer.session.open();
    const recorder = new Recorder();
    peer.session.open().start(recorder);
    expect(recorder.log).toEqual(['close']);
    expect(recorder.closeError?.message).toMatch(/too many/);
  });
});

describe('YamuxSession refuses', () => {
  const violations: Record<string, readonly Buffer[]> = {
    'an unknown version': [Buffer.from('010000000000000000000000', 'hex')],
    'an unknown type': [frame(4, 0, 0, 0)],
    'an opening with an id of ours': [frame(windowUpdate, syn, 2, 0)],
    'an opening of stream 0': [frame(windowUpdate, syn, 0, 0)],
    'a second opening of the same stream': [
      frame(windowUpdate, syn, 1, 0),
      frame(windowUpdate, syn, 1, 0),
    ],
    'one byte more than the window': [
      frame(windowUpdate, syn, 1, 0),
      dataFrame(1, Buffer.alloc(262_144)),
      frame(data, 0, 1, 1),
    ],
    'a window beyond 32 bits': [
      frame(windowUpdate, syn, 1, 0),
      frame(windowUpdate, 0, 1, 0xff_ff_ff_ff),
    ],
    'more than 100 pings in a second': Array.from({ length: 101 }, () => frame(ping, syn, 0, 1)),
    'more than 10000 openings in a second': Array.from({ length: 10_001 }, (_, index) =>
      frame(windowUpdate, syn, 2 * index + 1, 0),
    ),
  };
  for (const [what, frames] of Object.entries(violations)) {
    test(`${what}: GoAway 1, and the connection ends`, async () => {
      const peer = createPeer();
      const answer = await peer.send(...frames);
      expect(answer.endsWith(goAwayProtocolError)).toBe(true);
      expect(peer.session.closed).toBe(true);
      expect(peer.wire.log.at(-1)).toBe('end');
      peer.link.b.end();
      await peer.send();
      expect(peer.closed).toHaveLength(1);
      expect(peer.closed[0]?.message).toMatch(/^yamux: /);
    });
  }

  test('nothing more from a peer that keeps the connection after a GoAway', async () => {
    const peer = createPeer();
    await peer.send(frame(4, 0, 0, 0));
    expect(await peer.send(frame(windowUpdate, syn, 1, 0), frame(ping, syn, 0, 0))).toBe('');
    await peer.clock.advance(1000);
    await peer.send();
    expect(peer.closed).toHaveLength(1);
    expect(peer.clock.pendingCount).toBe(0);
  });
});

describe('YamuxSession tolerates', () => {
  test('frames for streams that are gone or never were', async () => {
    const peer = createPeer();
    const late = [
      dataFrame(9, Buffer.from('late')),
      frame(windowUpdate, 0, 9, 5),
      frame(windowUpdate, fin, 9, 0),
      frame(windowUpdate, rst, 9, 0),
      frame(windowUpdate, ack, 9, 0),
    ];
    expect(await peer.send(...late, frame(ping, syn, 0, 0xaa_bb_cc_dd))).toBe(
      '0002000200000000aabbccdd',
    );
  });

  test('an answer to a ping that was never sent', async () => {
    const peer = createPeer();
    expect(await peer.send(frame(ping, ack, 0, 3))).toBe('');
    expect(peer.session.closed).toBe(false);
  });

  test('data after the end of the stream, which it drops', async () => {
    const peer = createPeer();
    await peer.send(frame(windowUpdate, syn, 1, 0));
    const recorder = new Recorder();
    firstOf(peer.accepted).start(recorder);
    await peer.send(dataFrame(1, Buffer.from('a'), fin), dataFrame(1, Buffer.from('b')));
    expect(recorder.bytes.toString()).toBe('a');
    expect(recorder.log).toEqual(['data', 'end']);
    expect(peer.session.closed).toBe(false);
  });

  test('100 pings a second, every second', async () => {
    const peer = createPeer();
    for (let second = 0; second < 3; second += 1) {
      const pings = Array.from({ length: 100 }, (_, index) => frame(ping, syn, 0, index));
      expect(await peer.send(...pings)).toHaveLength(100 * 24);
      await peer.clock.advance(1000);
    }
  });
});

describe('YamuxSession ending', () => {
  test('after goAway, new streams of the peer are reset and the others go on', async () => {
    const peer = createPeer();
    await peer.send(frame(windowUpdate, syn, 1, 0));
    peer.session.goAway();
    expect(await peer.send()).toBe('000300000000000000000000');
    expect(await peer.send(frame(windowUpdate, syn, 3, 0))).toBe('000100080000000300000000');
    const recorder = new Recorder();
    firstOf(peer.accepted).start(recorder);
    await peer.send(dataFrame(1, Buffer.from('still here')));
    expect(recorder.bytes.toString()).toBe('still here');
  });

  test('after a GoAway of the peer, no stream is opened, queued ones neither', async () => {
    const peer = createPeer({ role: 'client', acceptBacklog: 1 });
    const working = new Recorder();
    peer.session.open().start(working);
    const queued = new Recorder();
    peer.session.open().start(queued);
    await peer.send(frame(goAway, 0, 0, 0));
    expect(queued.closeError?.message).toMatch(/going away/);
    const late = new Recorder();
    peer.session.open().start(late);
    expect(late.closeError?.message).toMatch(/going away/);
    expect(working.log).toEqual([]);
  });

  test('a GoAway with an error ends the session', async () => {
    const peer = createPeer();
    await peer.send(frame(goAway, 0, 0, 2));
    expect(peer.closed[0]?.message).toMatch(/code 2/);
  });

  test('a connection that ends between frames, with no stream left, is no error', async () => {
    const peer = createPeer();
    peer.link.b.end();
    await peer.send();
    expect(peer.closed).toEqual([undefined]);
  });

  test('a connection that ends inside a frame is an error', async () => {
    const peer = createPeer();
    await peer.send(Buffer.from('0001'));
    peer.link.b.end();
    await peer.send();
    expect(peer.closed[0]?.message).toMatch(/closed the connection/);
  });

  test('streams report their end before the session does, each once', async () => {
    const order: string[] = [];
    const pair = createPair({ onClosed: () => order.push('never') });
    const stream = pair.client.open();
    stream.start({
      onData() {},
      onDrain() {},
      onEnd() {},
      onClose: () => order.push('stream'),
    });
    await pair.link.settle();
    pair.client.destroy(new Error('enough'));
    expect(order).toEqual([]);
    await pair.link.settle();
    expect(order).toEqual(['stream']);
    expect(pair.closed.toSorted()).toEqual(['client', 'server']);
  });

  test('destroy before start reports once, and later calls do nothing', async () => {
    const closed: unknown[] = [];
    const session = new YamuxSession({
      transport: memoryLink().a,
      role: 'client',
      clock: new ManualClock(),
      onStream() {},
      onClosed: (error) => closed.push(error),
    });
    session.destroy();
    session.destroy();
    session.goAway();
    await Promise.resolve();
    expect(closed).toEqual([undefined]);
  });

  test('a peer that makes us answer and never reads is dropped at half a MiB', async () => {
    const peer = createPeer({}, { capacityBytes: 1024 * 1024 });
    const stuck = peer.link.a.capacity();
    peer.link.a.write(Buffer.alloc(stuck), stuck);
    // An acknowledgement has 12 bytes: 43690 of them fit.
    for (let round = 0; round < 44; round += 1) {
      const openings = Array.from({ length: 1000 }, (_, index) =>
        frame(windowUpdate, syn | rst, 2000 * round + 2 * index + 1, 0),
      );
      expect(peer.session.closed).toBe(false);
      await peer.send(...openings);
      await peer.clock.advance(100);
    }
    expect(peer.session.closed).toBe(true);
    await peer.send();
    expect(peer.closed[0]?.message).toMatch(/does not read/);
  });

  test('a transport that takes nothing for 30 s is dropped', async () => {
    const peer = createPeer();
    const stuck = peer.link.a.capacity();
    peer.link.a.write(Buffer.alloc(stuck), stuck);
    peer.session.goAway();
    await peer.send();
    await peer.clock.advance(29_999);
    expect(peer.session.closed).toBe(false);
    await peer.clock.advance(1);
    await peer.send();
    expect(peer.closed[0]?.message).toMatch(/took no data/);
  });

  test('initial bytes are read before those of the transport', async () => {
    const link = memoryLink();
    const ids: number[] = [];
    const session = new YamuxSession({
      transport: link.a,
      role: 'server',
      clock: new ManualClock(),
      onStream: (stream) => ids.push(stream.id),
      onClosed() {},
    });
    const opening = frame(windowUpdate, syn, 1, 0);
    link.b.start(new Recorder());
    link.b.write(opening.subarray(7), 5);
    session.start(opening.subarray(0, 7));
    await link.settle();
    expect(ids).toEqual([1]);
  });
});
