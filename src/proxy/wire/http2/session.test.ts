import { describe, expect, test } from '@jest/globals';
import { TimeoutError } from '../../../base/clock.ts';
import { seededRandom } from '../../../base/random.ts';
import { ConnectionError, errorCodes } from './errors.ts';
import { frameTypes } from './frames.ts';
import { defaultLimits } from './limits.ts';
import type { FlowCredit } from './stream.ts';
import {
  connectedSession,
  encodeFrame,
  fieldsOf,
  okTrailers,
  Recorder,
  requestHead,
  responseHead,
  sessionPair,
  sessionWithPeer,
} from './testing.ts';

const noData = Buffer.alloc(0);

class Credit implements FlowCredit {
  bytes = 0;
  consumed(bytes: number): void {
    this.bytes += bytes;
  }
}

describe('a client and a server', () => {
  test('exchange a unary call', () => {
    const { turns, client, server } = sessionPair();
    server.onRequest = (request) => request.reply(Buffer.from('answer'));
    const call = client.request(false);
    call.stream.sendData(Buffer.from('..question..'), 2, 10, true, undefined);
    turns.run();

    expect(server.requests).toHaveLength(1);
    expect(server.requests[0]).toMatchObject({ headers: [requestHead], ended: true });
    expect(server.requests[0]?.data.toString()).toBe('question');
    expect(call.headers).toEqual([responseHead, okTrailers]);
    expect(call.data.toString()).toBe('answer');
    expect(call.ended).toBe(true);
    expect(call.stream.closed).toBe(true);
    expect(client.session.activeStreams).toBe(0);
    expect(server.session.activeStreams).toBe(0);
  });

  test('exchange a response of trailers only', () => {
    const { turns, client, server } = sessionPair();
    server.onRequest = ({ stream }) => {
      stream.sendHeaders(fieldsOf([...responseHead, ...okTrailers]), true);
    };
    const call = client.request();
    turns.run();
    expect(call.headers).toEqual([[...responseHead, ...okTrailers]]);
    expect(call).toMatchObject({ ended: true, aborts: [] });
  });

  test('exchange trailers of the request too', () => {
    const { turns, client, server } = sessionPair();
    const call = client.request(false);
    call.stream.sendHeaders(fieldsOf([['checksum', '7']]), true);
    turns.run();
    expect(server.requests[0]?.headers).toEqual([requestHead, [['checksum', '7']]]);
    expect(server.requests[0]?.ended).toBe(true);
    expect(server.requests[0]?.stream.remoteEnded).toBe(true);
  });

  test('send everything of a turn in one write', () => {
    const { turns, client, transports } = sessionPair();
    const written: number[] = [];
    const write = transports.client.write.bind(transports.client);
    transports.client.write = (bytes, length) => {
      written.push(length);
      return write(bytes, length);
    };
    for (let index = 0; index < 10; index++) {
      client.request(false).stream.sendData(Buffer.alloc(100), 0, 100, true, undefined);
    }
    expect(written).toEqual([]);
    turns.run();
    // The second one acknowledges what came back.
    expect(written.length).toBeLessThanOrEqual(2);
    expect(written[0]).toBeGreaterThan(1000);
  });

  test('move large bodies both ways through small windows and a narrow transport', () => {
    const random = seededRandom(7);
    const limits = { streamWindowBytes: 10_000, connectionWindowBytes: 70_000 };
    const { turns, client, server } = sessionPair({ random, limits, capacityBytes: 3000 });
    const body = Buffer.from(
      Array.from({ length: 400_000 }, () => Math.floor(random.next() * 256)),
    );
    server.onRequest = (request) => request.reply(body);
    const calls = [1, 2, 3].map(() => {
      const call = client.request(false);
      call.stream.sendData(body, 0, body.length, true, undefined);
      return call;
    });
    turns.run();
    for (const call of calls) {
      expect(call.headers).toEqual([responseHead, okTrailers]);
      expect(call.data.equals(body)).toBe(true);
    }
    expect(server.requests).toHaveLength(3);
    for (const { data } of server.requests) expect(data.equals(body)).toBe(true);
  });

  test('do not touch the bytes of the caller after sendData has returned', () => {
    const { turns, client, server } = sessionPair({ limits: { streamWindowBytes: 1000 } });
    const call = client.request(false);
    const bytes = Buffer.alloc(5000, 'a');
    call.stream.sendData(bytes, 0, bytes.length, true, undefined);
    bytes.fill('b');
    turns.run();
    expect(server.requests[0]?.data.toString()).toBe('a'.repeat(5000));
  });

  test('keep the order of many small pieces that wait', () => {
    const { turns, client, server } = sessionPair({ limits: { streamWindowBytes: 100 } });
    const call = client.request(false);
    const sources = [new Credit(), new Credit()];
    let expected = '';
    for (let index = 0; index < 3000; index++) {
      const piece = Buffer.from(`${index};`);
      expected += piece.toString();
      call.stream.sendData(piece, 0, piece.length, index === 2999, sources[index % 2]);
    }
    turns.run();
    expect(server.requests[0]?.data.toString()).toBe(expected);
    expect((sources[0]?.bytes ?? 0) + (sources[1]?.bytes ?? 0)).toBe(expected.length);
  });
});

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
    const { streamWindowBytes, connectionWindowBytes } = defaultLimits;
    const [settings] = peer.framesOf(frameTypes.settings);
    const [update] = peer.framesOf(frameTypes.windowUpdate, 0);
    const values = new Map<number, number>();
    for (let at = 0; at < (settings?.payload.length ?? 0); at += 6) {
      values.set(
        settings?.payload.readUInt16BE(at) ?? 0,
        settings?.payload.readUInt32BE(at + 2) ?? 0,
      );
    }
    expect(values.get(4)).toBe(streamWindowBytes);
    expect(values.get(2)).toBe(0);
    expect(values.get(6)).toBe(defaultLimits.maxHeaderListBytes);
    expect(update?.payload.readUInt32BE()).toBe(connectionWindowBytes - 65_535);
  });
});

describe('a reset', () => {
  test('by the client aborts the request at the server', () => {
    const { turns, client, server } = sessionPair();
    const call = client.request(false);
    turns.run();
    call.stream.reset(errorCodes.cancel);
    turns.run();
    expect(server.requests[0]?.aborts).toEqual([{ kind: 'reset', code: errorCodes.cancel }]);
    expect(server.requests[0]?.stream.closed).toBe(true);
    expect(call.aborts).toEqual([]);
  });

  test('with REFUSED_STREAM tells the client that nothing was processed', () => {
    const { turns, client, server } = sessionPair();
    server.onRequest = ({ stream }) => stream.reset(errorCodes.refusedStream);
    const call = client.request();
    turns.run();
    expect(call.aborts).toEqual([{ kind: 'refused' }]);
  });

  test('drops what is queued and credits its source', () => {
    const { client } = sessionPair({ limits: { streamWindowBytes: 100 } });
    const call = client.request(false);
    const source = new Credit();
    call.stream.sendData(Buffer.alloc(500), 0, 500, true, source);
    expect(source.bytes).toBe(100);
    call.stream.reset(errorCodes.cancel);
    expect(source.bytes).toBe(500);
    expect(call.stream.queuedBytes).toBe(0);
  });

  test('by the peer drops what is queued and credits its source', () => {
    const { turns, client, server } = sessionPair({ limits: { streamWindowBytes: 100 } });
    server.onRequest = (request) => {
      request.consumes = false;
    };
    const call = client.request(false);
    const source = new Credit();
    call.stream.sendData(Buffer.alloc(500), 0, 500, true, source);
    turns.run();
    server.requests[0]?.stream.reset(errorCodes.internalError);
    turns.run();
    expect(source.bytes).toBe(500);
    expect(call.aborts).toEqual([{ kind: 'reset', code: errorCodes.internalError }]);
  });

  test('lets frames pass that were on their way', () => {
    const { turns, harness, peer } = connectedSession('client');
    const call = harness.request();
    turns.run();
    call.stream.reset(errorCodes.cancel);
    peer.headers(1, responseHead).data(1, 'late').headers(1, okTrailers, true);
    peer.rstStream(1, 0).windowUpdate(1, 100);
    turns.run();
    expect(call).toMatchObject({ headers: [], ended: false });
    expect(harness.ends).toEqual([]);
    // The block of headers that was thrown away is in the table all the same.
    const next = harness.request();
    peer.headers(3, responseHead).headers(3, okTrailers, true);
    turns.run();
    expect(next.headers).toEqual([responseHead, okTrailers]);
  });

  test('makes everything on the stream do nothing', () => {
    const { turns, harness, peer } = connectedSession('client');
    const { stream } = harness.request(false);
    turns.run();
    stream.reset(errorCodes.cancel);
    const source = new Credit();
    stream.sendData(Buffer.alloc(10), 0, 10, false, source);
    stream.sendHeaders(fieldsOf(okTrailers), true);
    stream.consumed(100);
    stream.reset(errorCodes.internalError);
    turns.run();
    expect(source.bytes).toBe(10);
    expect(peer.frames.map(({ type }) => type)).toEqual([frameTypes.headers, frameTypes.rstStream]);
  });
});

describe('a response that ends before its request', () => {
  test('is followed by RST_STREAM NO_ERROR', () => {
    const { turns, harness, peer } = connectedSession('server');
    harness.onRequest = ({ stream }) => {
      stream.sendHeaders(fieldsOf([...responseHead, ...okTrailers]), true);
    };
    peer.headers(1, requestHead);
    turns.run();
    expect(peer.headersOf(1)).toHaveLength(1);
    expect(peer.resetsOf(1)).toEqual([errorCodes.noError]);
    expect(harness.requests[0]).toMatchObject({ aborts: [], stream: { closed: true } });
    peer.data(1, 'late', true);
    turns.run();
    expect(harness.ends).toEqual([]);
  });

  test('goes out whole although the server resets with NO_ERROR at once', () => {
    const { turns, client, server } = sessionPair({ limits: { streamWindowBytes: 1000 } });
    server.onRequest = ({ stream }) => {
      stream.sendHeaders(fieldsOf(responseHead), false);
      stream.sendData(Buffer.alloc(5000), 0, 5000, false, undefined);
      stream.sendHeaders(fieldsOf(okTrailers), true);
      stream.reset(errorCodes.noError);
    };
    const call = client.request(false);
    turns.run();
    expect(call.data).toHaveLength(5000);
    expect(call.headers).toEqual([responseHead, okTrailers]);
    expect(call).toMatchObject({ aborts: [], stream: { closed: true } });
  });

  test('ends the request at the client, and credits what it had queued', () => {
    const { turns, client, server } = sessionPair({ limits: { streamWindowBytes: 1000 } });
    server.onRequest = (request) => {
      request.consumes = false;
      request.stream.sendHeaders(fieldsOf([...responseHead, ...okTrailers]), true);
    };
    const call = client.request(false);
    const source = new Credit();
    call.stream.sendData(Buffer.alloc(9000), 0, 9000, true, source);
    turns.run();
    expect(call).toMatchObject({ ended: true, aborts: [], stream: { closed: true } });
    expect(source.bytes).toBe(9000);
  });

  test('is in order when only the server says so, with RST_STREAM NO_ERROR', () => {
    const { turns, harness, peer } = connectedSession('client');
    const call = harness.request(false);
    turns.run();
    peer.headers(1, [...responseHead, ...okTrailers], true).rstStream(1, errorCodes.noError);
    turns.run();
    expect(call).toMatchObject({ ended: true, aborts: [], stream: { closed: true } });
    expect(harness.ends).toEqual([]);
  });
});

describe('a client', () => {
  test('opens no more streams than the server allows', () => {
    const { turns, harness, peer } = connectedSession('client', { settings: [[3, 2]] });
    harness.request();
    harness.request();
    const refused = harness.session.request(fieldsOf(requestHead), true, new Recorder());
    expect(refused).toBeUndefined();
    turns.run();
    peer.headers(1, [...responseHead, ...okTrailers], true);
    turns.run();
    expect(harness.request().stream.id).toBe(5);
  });

  test('takes a limit for the future that is below what is open', () => {
    const { turns, harness, peer } = connectedSession('client', { settings: [[3, 3]] });
    for (let index = 0; index < 3; index++) harness.request();
    peer.settings([3, 0]);
    turns.run();
    expect(harness.session.request(fieldsOf(requestHead), true, new Recorder())).toBeUndefined();
    expect(harness.session).toMatchObject({ state: 'open', activeStreams: 3 });
  });

  test('assumes a limit of 100 until it has heard from the server', () => {
    const { turns, harness, peer } = sessionWithPeer('client');
    for (let index = 0; index < 100; index++) harness.request();
    expect(harness.session.request(fieldsOf(requestHead), true, new Recorder())).toBeUndefined();
    peer.settings();
    turns.run();
    for (let index = 0; index < 100; index++) harness.request();
    expect(harness.session.activeStreams).toBe(200);
  });

  test('leaves interim responses out', () => {
    const { turns, harness, peer } = connectedSession('client');
    const call = harness.request();
    turns.run();
    peer.headers(1, [[':status', '103']]).headers(1, [[':status', '100']]);
    peer.headers(1, responseHead).headers(1, okTrailers, true);
    turns.run();
    expect(call.headers).toEqual([responseHead, okTrailers]);
  });

  test('opens no stream while too much waits to be sent', () => {
    const { harness } = connectedSession('client', {
      capacityBytes: 100,
      limits: { maxOutputBytes: 20_000 },
    });
    const head = [...requestHead, ['large', 'x'.repeat(5000)] as const];
    harness.request(true, head);
    harness.request(true, head);
    expect(harness.session.request(fieldsOf(head), true, new Recorder())).toBeUndefined();
    expect(harness.session.state).toBe('open');
  });
});

describe('a ping', () => {
  test('measures the round trip', async () => {
    const { turns, clock, client } = sessionPair();
    const answer = client.session.ping(1000);
    await clock.advance(7);
    turns.run();
    await expect(answer).resolves.toBe(7);
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

  test('is answered with its payload', () => {
    const { turns, harness, peer } = connectedSession('server');
    peer.send(frameTypes.ping, 0, 0, 'abcdefgh');
    peer.send(frameTypes.ping, 1, 0, 'nobodys!');
    turns.run();
    expect(peer.frames).toMatchObject([{ type: frameTypes.ping, flags: 1 }]);
    expect(peer.frames[0]?.payload.toString()).toBe('abcdefgh');
    expect(harness.ends).toEqual([]);
  });
});

describe('a connection that is lost', () => {
  test('aborts each stream, then tells the owner once', () => {
    const { turns, harness, transport } = connectedSession('client');
    const calls = [harness.request(), harness.request()];
    turns.run();
    const error = new Error('cable cut');
    transport.destroy(error);
    turns.run();
    for (const { aborts } of calls) expect(aborts).toEqual([{ kind: 'connectionLost', error }]);
    expect(harness.ends).toEqual([{ error }]);
    expect(harness.session).toMatchObject({ state: 'closed', activeStreams: 0 });
    expect(harness.session.request(fieldsOf(requestHead), true, new Recorder())).toBeUndefined();
  });

  test('refuses requests that had not left this machine', () => {
    const { turns, harness, transport } = connectedSession('client');
    const sent = harness.request();
    turns.run();
    const unsent = harness.request();
    transport.destroy(new Error('cable cut'));
    turns.run();
    expect(sent.aborts).toMatchObject([{ kind: 'connectionLost' }]);
    expect(unsent.aborts).toEqual([{ kind: 'refused' }]);
  });

  test('refuses requests whose headers had left only in part', () => {
    const { turns, harness, peer } = connectedSession('client', { capacityBytes: 80 });
    peer.isReading = false;
    const calls = [harness.request(), harness.request()];
    turns.run();
    harness.session.destroy(new Error('cable cut'));
    // The head of the first is 79 octets long.
    expect(calls.map(({ aborts }) => aborts[0]?.kind)).toEqual(['connectionLost', 'refused']);
  });

  test('is no error if it was not in use', () => {
    const { turns, client, server } = sessionPair();
    client.session.destroy();
    turns.run();
    expect(client.ends).toEqual([{ error: undefined }]);
    expect(server.ends).toMatchObject([{ error: { message: expect.any(String) } }]);
  });

  test('ends orderly when the peer ends, with no streams open', () => {
    const { turns, harness, transport, peer } = connectedSession('server');
    expect(transport.isClosed).toBe(false);
    peer.end();
    turns.run();
    expect(harness.ends).toEqual([{ error: undefined }]);
    expect(transport.isClosed).toBe(true);
  });

  test('aborts the streams when the peer ends in their midst', () => {
    const { turns, harness, peer } = connectedSession('server');
    peer.headers(1, requestHead);
    turns.run();
    peer.end();
    turns.run();
    expect(harness.requests[0]?.aborts).toMatchObject([{ kind: 'connectionLost' }]);
    expect(harness.ends).toMatchObject([{ error: { message: 'the peer closed the connection' } }]);
  });

  test('credits the sources of everything that was queued', () => {
    const { turns, client } = sessionPair({ limits: { streamWindowBytes: 10 } });
    const call = client.request(false);
    const source = new Credit();
    call.stream.sendData(Buffer.alloc(100), 0, 100, true, source);
    client.session.destroy();
    turns.run();
    expect(source.bytes).toBe(100);
  });

  test('by destroy inside of an event stops delivery at once', () => {
    const { turns, harness, peer } = connectedSession('server');
    harness.onRequest = () => harness.session.destroy();
    peer.raw(
      Buffer.concat([
        // Both in one chunk.
        encodeFrame(frameTypes.headers, 0x5, 1, peer.block(requestHead)),
        encodeFrame(frameTypes.headers, 0x5, 3, peer.block(requestHead)),
      ]),
    );
    turns.run();
    expect(harness.requests).toHaveLength(1);
    expect(harness.requests[0]?.aborts).toMatchObject([{ kind: 'connectionLost' }]);
  });

  test('is what becomes of an owner that throws; others are not touched', () => {
    const { turns, harness, peer } = connectedSession('server');
    const mistake = new Error('a mistake of ours');
    harness.onRequest = () => {
      throw mistake;
    };
    peer.headers(1, requestHead);
    turns.run();
    expect(peer.goAways).toMatchObject([{ code: errorCodes.internalError }]);
    expect(harness.ends).toMatchObject([{ error: { cause: mistake } }]);
    expect(harness.ends[0]?.error).toBeInstanceOf(ConnectionError);
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
