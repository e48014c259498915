import { describe, expect, test } from '@jest/globals';
import { seededRandom } from '../../../base/random.ts';
import {
  connectedSession,
  Credit,
  fieldsOf,
  okTrailers,
  Recorder,
  requestHead,
  responseHead,
  sessionPair,
  sessionWithPeer,
} from './testing.ts';

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

  test('tells how many more streams the server takes, as that changes', () => {
    const { turns, harness, peer } = sessionWithPeer('client');
    expect(harness.session.room).toBe(0);
    peer.settings([3, 2]);
    turns.run();
    harness.request();
    harness.request();
    turns.run();
    expect(harness.session.room).toBe(0);
    peer.headers(1, [...responseHead, ...okTrailers], true);
    turns.run();
    peer.settings([3, 0]);
    turns.run();
    peer.settings([3, 5]);
    turns.run();
    expect(harness.rooms).toEqual([2, 1, 0, 4]);
    peer.goAway(3, 0);
    turns.run();
    expect(harness.session.room).toBe(0);
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
