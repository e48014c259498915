import { describe, expect, test } from '@jest/globals';
import { frameFlag, frameType } from './frames.ts';
import { createPeer, dataFrame, firstOf, frame, Recorder } from './testing.ts';

const { data, windowUpdate, ping } = frameType;
const { syn, ack, fin, rst } = frameFlag;

const goAwayProtocolError = '000300000000000000000001';

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
