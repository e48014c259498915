import { describe, expect, test } from '@jest/globals';
import { errorCodes } from './errors.ts';
import { frameFlags, frameTypes } from './frames.ts';
import { defaultLimits } from './limits.ts';
import { Credit, connectedSession, requestHead, sessionPair, sessionWithPeer } from './testing.ts';

describe('flow control', () => {
  test('credits the source as bytes go on the wire, and not before', () => {
    const { turns, client, server } = sessionPair({ limits: { streamWindowBytes: 1000 } });
    server.onRequest = (request) => {
      request.consumes = false;
    };
    const call = client.request(false);
    const source = new Credit();
    turns.run();
    call.stream.sendData(Buffer.alloc(2500), 0, 2500, false, source);
    expect(source.bytes).toBe(1000);
    expect(call.stream.queuedBytes).toBe(1500);
    turns.run();
    expect(source.bytes).toBe(1000);
    server.requests[0]?.stream.consumed(1000);
    turns.run();
    expect(source.bytes).toBe(2000);
    server.requests[0]?.stream.consumed(1000);
    turns.run();
    expect(source.bytes).toBe(2500);
    expect(call.stream.queuedBytes).toBe(0);
    expect(call.writable).toBe(1);
  });

  test('gives no more window back than has arrived, however much is said to be consumed', () => {
    const { turns, harness, peer } = connectedSession('server');
    peer.headers(1, requestHead).data(1, Buffer.alloc(10_000));
    turns.run();
    const [request] = harness.requests;
    request?.stream.consumed(1_000_000_000);
    request?.stream.consumed(1_000_000_000);
    turns.run();
    expect(peer.framesOf(frameTypes.windowUpdate, 1)).toEqual([]);
  });

  test('does not let a stream without window hold up another one', () => {
    const { turns, client, server } = sessionPair({ limits: { streamWindowBytes: 1000 } });
    const stalled = client.request(false);
    const other = client.request(false);
    server.onRequest = (request) => {
      request.consumes = request.stream.id !== stalled.stream.id;
    };
    stalled.stream.sendData(Buffer.alloc(50_000), 0, 50_000, true, undefined);
    other.stream.sendData(Buffer.alloc(50_000), 0, 50_000, true, undefined);
    turns.run();
    expect(server.requests.map(({ data }) => data.length)).toEqual([1000, 50_000]);
  });

  test('lets streams take turns when the connection is the bottleneck', () => {
    const { turns, harness, peer } = connectedSession('client', { settings: [[4, 10_000_000]] });
    const calls = [0, 1, 2].map(() => harness.request(false));
    for (const { stream } of calls) {
      stream.sendData(Buffer.alloc(300_000), 0, 300_000, true, undefined);
    }
    turns.run();
    // The connection has 65,535 to begin with.
    expect(calls.map(({ stream }) => peer.dataOf(stream.id).length)).toEqual([65_535, 0, 0]);
    for (let index = 0; index < 3; index++) {
      peer.windowUpdate(0, 65_536);
      turns.run();
    }
    expect(calls.map(({ stream }) => peer.dataOf(stream.id).length)).toEqual([
      131_071, 65_536, 65_536,
    ]);
  });

  test('gives up the streams that did not get on for longest when too much waits', () => {
    const { turns, harness, peer } = connectedSession('client', {
      settings: [[4, 1000]],
      limits: { maxQueuedBytes: 10_000 },
    });
    const calls = [0, 1, 2].map(() => harness.request(false));
    const sources = calls.map(() => new Credit());
    const send = (index: number, bytes: number) =>
      calls[index]?.stream.sendData(Buffer.alloc(bytes), 0, bytes, false, sources[index]);
    for (const index of [0, 1, 2]) send(index, 4000);
    turns.run();
    expect(calls.map(({ aborts }) => aborts)).toEqual([[], [], []]);
    peer.windowUpdate(1, 500);
    turns.run();
    send(2, 2000);
    turns.run();
    const givenUp = { kind: 'reset', code: errorCodes.enhanceYourCalm };
    expect(calls.map(({ aborts }) => aborts)).toEqual([[], [givenUp], []]);
    expect(sources.map(({ bytes }) => bytes)).toEqual([1500, 4000, 1000]);
    expect(peer.resetsOf(3)).toEqual([errorCodes.enhanceYourCalm]);
    peer.windowUpdate(1, 10_000).windowUpdate(5, 10_000);
    turns.run();
    expect([1, 5].map((id) => peer.dataOf(id).length)).toEqual([4000, 6000]);
    expect(harness.session.state).toBe('open');
  });

  test('does not count what waits for the end of a turn only', () => {
    const { turns, harness, peer } = connectedSession('client', {
      settings: [[4, 1_000_000]],
      limits: { maxQueuedBytes: 10_000 },
      capacityBytes: 1 << 20,
    });
    const { stream, aborts } = harness.request(false);
    peer.windowUpdate(0, 1_000_000);
    turns.run();
    stream.sendData(Buffer.alloc(500_000), 0, 500_000, false, undefined);
    turns.run();
    expect(aborts).toEqual([]);
    expect(peer.dataOf(1)).toHaveLength(500_000);
  });

  test('follows a window that is shrunk below zero and grown again', () => {
    const { turns, harness, peer } = connectedSession('client', { settings: [[4, 1000]] });
    const { stream } = harness.request(false);
    stream.sendData(Buffer.alloc(3000), 0, 3000, true, undefined);
    turns.run();
    expect(peer.dataOf(1)).toHaveLength(1000);
    peer.settings([4, 100]); // the window is -900
    peer.windowUpdate(1, 900);
    turns.run();
    expect(peer.dataOf(1)).toHaveLength(1000);
    peer.windowUpdate(1, 1);
    turns.run();
    expect(peer.dataOf(1)).toHaveLength(1001);
    peer.settings([4, 500]);
    turns.run();
    expect(peer.dataOf(1)).toHaveLength(1401);
    peer.settings([4, 65_535]);
    turns.run();
    expect(peer.dataOf(1)).toHaveLength(3000);
    expect(stream.localEnded).toBe(true);
  });

  test('acknowledges settings before the data that they let through', () => {
    const { turns, harness, peer } = connectedSession('client', { settings: [[4, 0]] });
    const { stream } = harness.request(false);
    stream.sendData(Buffer.alloc(3000), 0, 3000, true, undefined);
    turns.run();
    peer.frames.length = 0;
    peer.settings([4, 1000]);
    turns.run();
    expect(peer.frames.map(({ type, flags }) => [type, flags])).toEqual([
      [frameTypes.settings, frameFlags.ack],
      [frameTypes.data, 0],
    ]);
  });

  test('gives a stream more window as what it has is used up, up to the limit', () => {
    const { turns, harness, peer } = connectedSession('server', {
      limits: { streamWindowBytes: 200_000 },
    });
    peer.headers(1, requestHead);
    turns.run();
    const [request] = harness.requests;
    if (request === undefined) throw new Error('no request');
    request.consumes = false;
    let sent = 0;
    let granted = 65_535;
    const windows: number[] = [];
    for (let round = 0; round < 4; round++) {
      for (; sent < granted; sent += Math.min(16_000, granted - sent)) {
        peer.data(1, Buffer.alloc(Math.min(16_000, granted - sent)));
      }
      turns.run();
      request.stream.consumed(granted);
      turns.run();
      const updates = peer.framesOf(frameTypes.windowUpdate, 1);
      granted = 65_535 + updates.reduce((sum, { payload }) => sum + payload.readUInt32BE(), 0);
      windows.push(granted - sent);
    }
    expect(windows).toEqual([131_070, 200_000, 200_000, 200_000]);
    peer.data(1, Buffer.alloc(16_000));
    expect(harness.ends).toEqual([]);
  });

  test('credits padding by itself', () => {
    const { turns, harness, peer } = connectedSession('server', {
      limits: { streamWindowBytes: 1000 },
    });
    peer.headers(1, requestHead);
    for (let index = 0; index < 50; index++) {
      const padded = Buffer.concat([Buffer.from([200]), Buffer.from('x'), Buffer.alloc(200)]);
      peer.send(frameTypes.data, 0x8, 1, padded);
    }
    turns.run();
    expect(harness.ends).toEqual([]);
    expect(harness.requests[0]?.data.toString()).toBe('x'.repeat(50));
  });

  test('gives the connection window back also for streams that are gone', () => {
    const limits = { connectionWindowBytes: 100_000 };
    const { turns, harness, peer } = connectedSession('server', { limits });
    peer.headers(1, requestHead);
    turns.run();
    harness.requests[0]?.stream.reset(errorCodes.cancel);
    for (let index = 0; index < 30; index++) {
      peer.data(1, Buffer.alloc(16_000));
      turns.run();
    }
    expect(harness.ends).toEqual([]);
    expect(peer.framesOf(frameTypes.windowUpdate, 0).length).toBeGreaterThan(3);
  });

  test('announces the windows of its limits', () => {
    const { peer, turns } = sessionWithPeer('client');
    turns.run();
    const { connectionWindowBytes } = defaultLimits;
    const [settings] = peer.framesOf(frameTypes.settings);
    const [update] = peer.framesOf(frameTypes.windowUpdate, 0);
    const values = new Map<number, number>();
    for (let at = 0; at < (settings?.payload.length ?? 0); at += 6) {
      values.set(
        settings?.payload.readUInt16BE(at) ?? 0,
        settings?.payload.readUInt32BE(at + 2) ?? 0,
      );
    }
    expect(values.get(4)).toBe(65_535);
    expect(values.get(2)).toBe(0);
    expect(values.get(6)).toBe(defaultLimits.maxHeaderListBytes);
    expect(update?.payload.readUInt32BE()).toBe(connectionWindowBytes - 65_535);
  });
});
