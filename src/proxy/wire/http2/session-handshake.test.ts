import { describe, expect, test } from '@jest/globals';
import { TimeoutError } from '../../../base/clock.ts';
import { errorCodes } from './errors.ts';
import { frameTypes } from './frames.ts';
import { defaultLimits } from './limits.ts';
import { connectedSession, requestHead, sessionPair, sessionWithPeer } from './testing.ts';

const noData = Buffer.alloc(0);

describe('a ping', () => {
  test('measures the round trip', async () => {
    const { turns, clock, client } = sessionPair();
    const answer = client.session.ping(1000);
    turns.run();
    await clock.advance(17);
    turns.run();
    await expect(answer).resolves.toBe(17);
  });

  test('rejects after its limit, and when the session ends', async () => {
    const { clock, harness } = sessionWithPeer('client');
    const late = harness.session.ping(50);
    const lost = harness.session.ping(5000);
    const ends = Promise.allSettled([late, lost]);
    await clock.advance(50);
    harness.session.destroy(new Error('over'));
    const reasons = (await ends).map((end) => end.status === 'rejected' && end.reason);
    expect(reasons).toEqual([expect.any(TimeoutError), new Error('over')]);
    await expect(harness.session.ping(10)).rejects.toThrow('over');
    expect(clock.pendingCount).toBe(0);
  });

  test('is answered with its payload, even if nothing else is sent', async () => {
    const { turns, clock, harness, peer } = connectedSession('server');
    peer.send(frameTypes.ping, 0, 0, 'abcdefgh');
    peer.send(frameTypes.ping, 1, 0, 'nobodys!');
    turns.run();
    expect(peer.frames).toEqual([]);
    await clock.advance(10);
    turns.run();
    expect(peer.frames).toMatchObject([{ type: frameTypes.ping, flags: 1 }]);
    expect(peer.frames[0]?.payload.toString()).toBe('abcdefgh');
    expect(harness.ends).toEqual([]);
  });

  test('is answered together with whatever is sent next', () => {
    const { turns, harness, peer } = connectedSession('server');
    peer.send(frameTypes.ping, 0, 0, 'abcdefgh');
    turns.run();
    harness.session.goAway();
    turns.run();
    const types = peer.frames.map(({ type }) => type);
    expect(types).toEqual([frameTypes.ping, frameTypes.goAway, frameTypes.ping]);
  });
});

describe('the handshake', () => {
  test('must be over in time', async () => {
    const { turns, clock, harness, peer } = sessionWithPeer('server');
    peer.preface();
    turns.run();
    await clock.advance(defaultLimits.handshakeTimeoutMs - 1);
    turns.run();
    expect(harness.session.state).toBe('open');
    await clock.advance(1);
    turns.run();
    expect(peer.goAways).toMatchObject([{ code: errorCodes.settingsTimeout }]);
    expect(harness.ends).toMatchObject([{ error: { code: errorCodes.settingsTimeout } }]);
  });

  test('leaves no timer behind', async () => {
    const { turns, clock, client, server } = sessionPair();
    expect(clock.pendingCount).toBe(0);
    client.session.goAway();
    turns.run();
    await clock.advance(0);
    expect([client.ends, server.ends]).toEqual([[{ error: undefined }], [{ error: undefined }]]);
    expect(clock.pendingCount).toBe(0);
  });

  test('acknowledges SETTINGS', () => {
    const { turns, peer } = connectedSession('server');
    peer.settings([1, 100]).settings([0x99, 7]);
    turns.run();
    const acks = peer.framesOf(frameTypes.settings);
    expect(acks.map(({ flags, payload }) => [flags, payload])).toEqual([
      [1, noData],
      [1, noData],
    ]);
  });

  test('may be cut at any byte', () => {
    for (let at = 1; at < 60; at++) {
      const { turns, harness, peer } = connectedSession('server', { maxChunkBytes: at });
      peer.headers(1, requestHead, true);
      turns.run();
      expect(harness.requests).toHaveLength(1);
    }
  });
});
