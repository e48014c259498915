import { describe, expect, test } from '@jest/globals';
import { frameFlag, frameType } from './frames.ts';
import { createPeer, firstOf, frame, Recorder } from './testing.ts';

const { windowUpdate } = frameType;
const { syn, ack, rst } = frameFlag;

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

  test('streams that the peer opens may have a window of their own', async () => {
    const windows = { maxStreamWindowBytes: 16_777_216, maxAcceptedWindowBytes: 524_288 };
    const peer = createPeer(windows);
    peer.session.open();
    expect(await peer.send()).toBe('000100010000000200fc0000');
    expect(await peer.send(frame(windowUpdate, syn, 1, 0))).toBe('000100020000000100040000');
  });

  test('a window smaller than the protocol has is refused', () => {
    expect(() => createPeer({ maxStreamWindowBytes: 262_143 })).toThrow(RangeError);
    expect(() => createPeer({ maxAcceptedWindowBytes: 262_143 })).toThrow(RangeError);
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
