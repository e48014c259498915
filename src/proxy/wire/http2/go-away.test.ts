import { describe, expect, test } from '@jest/globals';
import { errorCodes } from './errors.ts';
import { frameTypes } from './frames.ts';
import { defaultLimits } from './limits.ts';
import {
  connectedSession,
  fieldsOf,
  okTrailers,
  Recorder,
  requestHead,
  responseHead,
  sessionPair,
} from './testing.ts';

const highestStreamId = 0x7fff_ffff;
const answer = Buffer.from('answer');

describe('a server that goes away', () => {
  test('serves what the client opens until it has heard of it, then no more', async () => {
    const { turns, clock, harness, peer } = connectedSession('server');
    peer.headers(1, requestHead);
    turns.run();
    harness.session.goAway();
    turns.run();
    expect(harness.session.state).toBe('draining');
    expect(peer.goAways).toMatchObject([{ lastStreamId: highestStreamId, code: 0 }]);

    peer.headers(3, requestHead, true);
    turns.run();
    expect(harness.requests).toHaveLength(2);
    const [ping] = peer.framesOf(frameTypes.ping);
    peer.send(frameTypes.ping, 1, 0, ping?.payload);
    turns.run();
    await clock.advance(0);
    turns.run();
    expect(peer.goAways.at(-1)).toMatchObject({ lastStreamId: 3, code: 0 });

    peer.headers(5, requestHead).data(5, 'body', true).headers(7, requestHead, true);
    turns.run();
    expect(harness.requests).toHaveLength(2);
    expect(peer.resetsOf(5)).toEqual([]);
    expect(harness.ends).toEqual([]);

    peer.data(1, 'rest', true);
    turns.run();
    for (const request of harness.requests) request.reply(answer);
    turns.run();
    expect(peer.headersOf(1)).toEqual([responseHead, okTrailers]);
    expect(peer.headersOf(3)).toEqual([responseHead, okTrailers]);
    expect(harness.ends).toEqual([{ error: undefined }]);
    expect(peer.isClosed).toBe(true);
  });

  test('does not wait for ever for a client that answers no ping', async () => {
    const { turns, clock, harness, peer } = connectedSession('server');
    harness.session.goAway();
    turns.run();
    await clock.advance(defaultLimits.goAwayGraceMs);
    turns.run();
    expect(peer.goAways.map(({ lastStreamId }) => lastStreamId)).toEqual([highestStreamId, 0]);
    expect(harness.ends).toEqual([{ error: undefined }]);
  });

  test('closes at once if nothing is open', async () => {
    const { turns, clock, client, server } = sessionPair();
    server.session.goAway();
    turns.run();
    await clock.advance(0);
    turns.run();
    expect([server.ends, client.ends]).toEqual([[{ error: undefined }], [{ error: undefined }]]);
    expect(client.goAways).toEqual([{ code: 0, debugData: '' }]);
  });

  test('sends GOAWAY once, however often it is told', async () => {
    const { turns, clock, harness, peer } = connectedSession('server');
    peer.headers(1, requestHead);
    turns.run();
    harness.session.goAway();
    harness.session.goAway();
    turns.run();
    await clock.advance(defaultLimits.goAwayGraceMs);
    harness.session.goAway();
    turns.run();
    expect(peer.goAways).toHaveLength(2);
  });

  test('loses no call of a client that goes on calling', async () => {
    const { turns, clock, client, server } = sessionPair();
    server.onRequest = (request) => request.reply(answer);
    const calls = [client.request()];
    server.session.goAway();
    // Until the GOAWAY arrives the client goes on.
    for (let index = 0; index < 20; index++) calls.push(client.request());
    for (let index = 0; index < 10; index++) {
      turns.run();
      await clock.advance(0);
    }
    for (const call of calls) {
      expect(call).toMatchObject({ ended: true, aborts: [] });
      expect(call.data).toEqual(answer);
    }
    expect([server.ends, client.ends]).toEqual([[{ error: undefined }], [{ error: undefined }]]);
  });
});

describe('a client that goes away', () => {
  test('opens no more streams, and closes when the last has ended', () => {
    const { turns, client, server } = sessionPair();
    const call = client.request();
    turns.run();
    client.session.goAway();
    expect(client.session.state).toBe('draining');
    expect(client.session.request(fieldsOf(requestHead), true, new Recorder())).toBeUndefined();
    turns.run();
    expect(server.session.state).toBe('draining');
    server.requests[0]?.reply(answer);
    turns.run();
    expect(call).toMatchObject({ ended: true, aborts: [] });
    expect([client.ends, server.ends]).toEqual([[{ error: undefined }], [{ error: undefined }]]);
  });

  test('is served on by the server until it closes', () => {
    const { turns, harness, peer } = connectedSession('server');
    peer.goAway(0, errorCodes.noError, 'bye');
    peer.headers(1, requestHead, true);
    turns.run();
    expect(harness.goAways).toEqual([{ code: 0, debugData: 'bye' }]);
    harness.requests[0]?.reply(answer);
    turns.run();
    expect(peer.headersOf(1)).toEqual([responseHead, okTrailers]);
    expect(harness.ends).toEqual([]);
    peer.end();
    turns.run();
    expect(harness.ends).toEqual([{ error: undefined }]);
  });
});

describe('a client whose server goes away', () => {
  test('learns which streams were never processed, before the GOAWAY itself', () => {
    const { turns, harness, peer } = connectedSession('client');
    const calls = [harness.request(), harness.request(), harness.request()];
    const abortsAtGoAway: number[] = [];
    harness.goAways.push = (...items) => {
      abortsAtGoAway.push(...calls.map(({ aborts }) => aborts.length));
      return items.length;
    };
    turns.run();
    peer.goAway(1, errorCodes.enhanceYourCalm, 'too many pings');
    turns.run();
    expect(calls.map(({ aborts }) => aborts)).toEqual([
      [],
      [{ kind: 'refused' }],
      [{ kind: 'refused' }],
    ]);
    expect(abortsAtGoAway).toEqual([0, 1, 1]);
    expect(harness.session).toMatchObject({ state: 'draining', activeStreams: 1 });

    peer.headers(1, responseHead).headers(1, okTrailers, true);
    turns.run();
    expect(calls[0]).toMatchObject({ ended: true, aborts: [] });
    expect(harness.ends).toEqual([{ error: undefined }]);
  });

  test('keeps all streams for a GOAWAY that is only announced', () => {
    const { turns, harness, peer } = connectedSession('client');
    const calls = [harness.request(), harness.request()];
    turns.run();
    peer.goAway(highestStreamId, errorCodes.noError);
    turns.run();
    expect(calls.map(({ aborts }) => aborts)).toEqual([[], []]);
    peer.goAway(1, errorCodes.noError);
    turns.run();
    expect(calls.map(({ aborts }) => aborts)).toEqual([[], [{ kind: 'refused' }]]);
  });

  test('does not mind frames on the streams that were refused', () => {
    const { turns, harness, peer } = connectedSession('client');
    harness.request();
    harness.request();
    turns.run();
    peer.goAway(1, errorCodes.noError).headers(3, responseHead).data(3, 'x', true);
    peer.headers(1, responseHead).headers(1, okTrailers, true);
    turns.run();
    expect(harness.ends).toEqual([{ error: undefined }]);
  });

  test('takes no more of the debug data than it can use', () => {
    const { turns, harness, peer } = connectedSession('client');
    harness.request();
    peer.goAway(1, 0, 'x'.repeat(16_000));
    turns.run();
    expect(harness.goAways[0]?.debugData).toHaveLength(1024);
  });
});

describe('closing', () => {
  test('drops the connection if the peer does not close its side in time', async () => {
    const { turns, clock, harness, peer, transport } = connectedSession('client');
    peer.keepsOpen = true;
    harness.session.goAway();
    turns.run();
    expect(transport.isClosed).toBe(false);
    await clock.advance(defaultLimits.lingerMs);
    turns.run();
    expect(transport.isClosed).toBe(true);
    expect(harness.ends).toEqual([{ error: undefined }]);
  });

  test('waits until everything that was written has gone out', () => {
    const { turns, harness, peer } = connectedSession('server', { capacityBytes: 2000 });
    peer.settings([4, 1_000_000]).windowUpdate(0, 1_000_000).headers(1, requestHead, true);
    turns.run();
    const body = Buffer.alloc(200_000, 'b');
    harness.requests[0]?.reply(body);
    harness.session.goAway();
    turns.run();
    const [ping] = peer.framesOf(frameTypes.ping);
    peer.send(frameTypes.ping, 1, 0, ping?.payload);
    expect(peer.dataOf(1).equals(body)).toBe(true);
    expect(peer.headersOf(1)).toHaveLength(2);
  });
});
