import { describe, expect, test } from '@jest/globals';
import { ConnectionError, errorCodes } from './errors.ts';
import { frameTypes } from './frames.ts';
import {
  connectedSession,
  Credit,
  encodeFrame,
  fieldsOf,
  okTrailers,
  Recorder,
  requestHead,
  responseHead,
  sessionPair,
} from './testing.ts';

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
