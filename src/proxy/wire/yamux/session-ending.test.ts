import { describe, expect, test } from '@jest/globals';
import { ManualClock } from '../../../../test/support/manual-clock.ts';
import { frameFlag, frameType } from './frames.ts';
import { YamuxSession } from './session.ts';
import {
  createPair,
  createPeer,
  dataFrame,
  firstOf,
  frame,
  memoryLink,
  Recorder,
} from './testing.ts';

const { windowUpdate, goAway } = frameType;
const { syn, rst } = frameFlag;

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
