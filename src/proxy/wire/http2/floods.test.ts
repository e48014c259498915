import { describe, expect, test } from '@jest/globals';
import { errorCodes } from './errors.ts';
import { clientPreface, frameFlags, frameTypes } from './frames.ts';
import { defaultLimits, type RateLimit } from './limits.ts';
import {
  connectedSession,
  fieldsOf,
  okTrailers,
  requestHead,
  responseHead,
  sessionWithPeer,
  type PlainFields,
} from './testing.ts';

type Connected = ReturnType<typeof connectedSession>;
type Peer = Connected['peer'];
type Send = (peer: Peer, index: number) => void;

/** A tenth of the product's, so that tests are quick. */
const controlFrames = tenthOf(defaultLimits.controlFrames);
const resets = tenthOf(defaultLimits.resets);
const limits = { controlFrames, resets };
const { endHeaders, endStream, padded } = frameFlags;
const calm = errorCodes.enhanceYourCalm;
/** A stream that only goes on, and one that the peer has reset. */
const [openId, goneId, firstFreeId] = [1, 3, 5];

function tenthOf({ burst, perSecond }: RateLimit): RateLimit {
  return { burst: burst / 10, perSecond: perSecond / 10 };
}

/** A server with a stream that is open and one that is gone. */
function serverWithStreams(): Connected {
  const connected = connectedSession('server', { limits });
  connected.peer.headers(openId, requestHead).headers(goneId, requestHead);
  connected.peer.rstStream(goneId, errorCodes.cancel);
  connected.turns.run();
  return connected;
}

/** Sends until the session ends; returns how often, at most `limit` times. */
function flood({ turns, peer, harness }: Connected, limit: number, send: Send): number {
  for (let index = 0; index < limit; index++) {
    send(peer, index);
    turns.run();
    if (harness.session.state === 'closed') return index + 1;
  }
  return limit;
}

function expectCutOff({ harness, peer }: Connected): void {
  expect(peer.goAways).toMatchObject([{ code: calm }]);
  expect(harness.ends).toMatchObject([{ error: { code: calm } }]);
  expect(harness.requests[0]?.aborts).toMatchObject([{ kind: 'connectionLost' }]);
}

describe('frames that carry nothing', () => {
  const floods: Record<string, Send> = {
    'answers to pings that nobody sent': (peer) => peer.send(frameTypes.ping, 1, 0, 'abcdefgh'),
    SETTINGS: (peer) => peer.settings(),
    'SETTINGS that change every window': (peer, index) => peer.settings([4, index % 1000]),
    'SETTINGS that change the table of headers': (peer, index) =>
      peer.settings([1, (index % 2) * 4096]),
    'acknowledgements of SETTINGS': (peer) => peer.settingsAck(),
    priorities: (peer) => peer.send(frameTypes.priority, 0, openId, '\0\0\0\0\x10'),
    'unknown frames': (peer) => peer.send(0x42, 0, openId, 'whatever'),
    'small updates of the connection window': (peer) => peer.windowUpdate(0, 1),
    'small updates of a stream window': (peer) => peer.windowUpdate(openId, 1),
    'updates for streams that are gone': (peer) => peer.windowUpdate(goneId, 1 << 16),
    'empty data': (peer) => peer.data(openId, ''),
    'data that is nothing but padding': (peer) =>
      peer.send(frameTypes.data, padded, openId, '\x01\0'),
    'resets of streams that are gone': (peer) => peer.rstStream(goneId, errorCodes.cancel),
    GOAWAY: (peer) => peer.goAway(0, 0),
  };

  test.each(Object.entries(floods))('in a flood end the connection: %s', (_, send) => {
    const connected = serverWithStreams();
    const sent = flood(connected, 2 * controlFrames.burst, send);
    expect(sent).toBeLessThan(controlFrames.burst + 50);
    expectCutOff(connected);
  });

  test.each(Object.entries(floods))(
    'are no flood if they come now and then: %s',
    async (_, send) => {
      const connected = serverWithStreams();
      for (let second = 0; second < 200; second++) {
        flood(connected, 4, send);
        await connected.clock.advance(1000);
      }
      expect(connected.harness.session.state).not.toBe('closed');
    },
  );
});

describe('streams that come to nothing', () => {
  const malformed: PlainFields = [...requestHead, ['connection', 'close']];
  const floods: Record<string, Send> = {
    'opened and reset': (peer, index) => {
      peer.headers(firstFreeId + 2 * index, requestHead);
      peer.rstStream(firstFreeId + 2 * index, errorCodes.cancel);
    },
    'with a request that must be reset': (peer, index) =>
      peer.headers(firstFreeId + 2 * index, malformed),
    'with data beyond what was announced': (peer, index) => {
      peer.headers(firstFreeId + 2 * index, [...requestHead, ['content-length', '1']]);
      peer.data(firstFreeId + 2 * index, 'two');
    },
    'with an update by nothing': (peer, index) => {
      peer.headers(firstFreeId + 2 * index, requestHead);
      peer.windowUpdate(firstFreeId + 2 * index, 0);
    },
  };

  test.each(Object.entries(floods))('in a flood end the connection: %s', (_, send) => {
    const connected = serverWithStreams();
    const sent = flood(connected, 2 * resets.burst, send);
    expect(sent).toBeLessThan(resets.burst + 50);
    expectCutOff(connected);
  });

  test('beyond the limit of streams are refused, and in a flood end the connection', () => {
    const connected = connectedSession('server', {
      limits: { ...limits, maxConcurrentStreams: 10 },
    });
    flood(connected, 50, (peer, index) => peer.headers(1 + 2 * index, requestHead));
    expect(connected.harness.requests).toHaveLength(10);
    expect(connected.peer.resetsOf(21)).toEqual([errorCodes.refusedStream]);
    flood(connected, 2 * resets.burst, (peer, index) => peer.headers(101 + 2 * index, requestHead));
    expectCutOff(connected);
  });

  test('are no flood among streams that end in order', () => {
    const connected = connectedSession('server', { limits });
    connected.harness.onRequest = (request) => request.reply(Buffer.from('answer'));
    flood(connected, 5 * resets.burst, (peer, index) => {
      peer.headers(1 + 4 * index, requestHead, true);
      peer.headers(3 + 4 * index, requestHead).rstStream(3 + 4 * index, errorCodes.cancel);
    });
    expect(connected.harness.session.state).toBe('open');
  });
});

describe('a header block', () => {
  test('whose end does not come ends the connection, however short its pieces are', () => {
    const connected = serverWithStreams();
    connected.peer.send(frameTypes.headers, 0, firstFreeId, connected.peer.block(requestHead));
    const sent = flood(connected, 10_000, (peer) =>
      peer.send(frameTypes.continuation, 0, firstFreeId),
    );
    expect(sent).toBe(defaultLimits.maxContinuationFrames + 1);
    expectCutOff(connected);
  });

  test('that is too long ends the connection before all of it is there', () => {
    const connected = serverWithStreams();
    connected.peer.send(frameTypes.headers, 0, firstFreeId, connected.peer.block(requestHead));
    const piece = Buffer.alloc(16_384);
    const sent = flood(connected, 10_000, (peer) =>
      peer.send(frameTypes.continuation, 0, firstFreeId, piece),
    );
    expect(sent * piece.length).toBeLessThan(defaultLimits.maxHeaderListBytes + 2 * piece.length);
    expectCutOff(connected);
  });

  test('whose pieces come one now and then has no more time for it', async () => {
    const connected = serverWithStreams();
    const { clock, harness, peer, turns } = connected;
    peer.send(frameTypes.headers, 0, firstFreeId, peer.block(requestHead));
    for (let piece = 0; piece < 10; piece++) {
      turns.run();
      expect(harness.session.state).toBe('open');
      await clock.advance(defaultLimits.headerBlockTimeoutMs / 10);
      peer.send(frameTypes.continuation, 0, firstFreeId, 'x');
    }
    turns.run();
    expectCutOff(connected);
  });

  /** A block that puts a field of 4 KiB, less what it costs, into the table. */
  const largeField = (peer: Peer) => peer.block([...requestHead, ['x-large', 'x'.repeat(3900)]]);

  test('that names one large field again and again ends its stream only', () => {
    const connected = serverWithStreams();
    const { harness, peer, turns } = connected;
    peer.send(frameTypes.headers, endHeaders | endStream, firstFreeId, largeField(peer));
    turns.run();
    expect(harness.requests).toHaveLength(3);
    // 16 KiB that stand for 64 MiB: entry 62 is the newest.
    const bomb = Buffer.alloc(16_384, 0x80 | 62);
    peer.send(frameTypes.headers, endHeaders | endStream, firstFreeId + 2, bomb);
    turns.run();
    expect(peer.resetsOf(firstFreeId + 2)).toEqual([calm]);
    expect(harness.requests).toHaveLength(3);
    // The table is as it was.
    peer.headers(firstFreeId + 4, requestHead, true);
    turns.run();
    expect(harness.requests).toHaveLength(4);
  });

  test('in a flood of those ends the connection', () => {
    const connected = serverWithStreams();
    const { peer } = connected;
    peer.send(frameTypes.headers, endHeaders | endStream, firstFreeId, largeField(peer));
    const bomb = Buffer.alloc(16_384, 0x80 | 62);
    const sent = flood(connected, 2 * resets.burst, (to, index) =>
      to.send(frameTypes.headers, endHeaders | endStream, firstFreeId + 2 + 2 * index, bomb),
    );
    expect(sent).toBeLessThan(resets.burst + 50);
    expectCutOff(connected);
  });

  test('may change the size of the table twice, and not again and again', () => {
    const sizes = (count: number) => Buffer.alloc(count, 0x20);
    for (const [count, isAllowed] of [
      [2, true],
      [3, false],
    ] as const) {
      const { harness, peer, turns } = connectedSession('server');
      const block = Buffer.concat([sizes(count), peer.block(requestHead)]);
      peer.send(frameTypes.headers, endHeaders | endStream, 1, block);
      turns.run();
      expect(harness.requests).toHaveLength(isAllowed ? 1 : 0);
      const codes = peer.goAways.map(({ code }) => code);
      expect(codes).toEqual(isAllowed ? [] : [errorCodes.compressionError]);
    }
  });
});

describe('a peer that does not read', () => {
  test('has its answers wait within the bound, and then the oldest given up', () => {
    const connected = connectedSession('server', {
      settings: [[4, 0]],
      limits: { maxQueuedBytes: 1_000_000 },
    });
    const { harness, peer, turns } = connected;
    const answer = Buffer.alloc(100_000);
    harness.onRequest = ({ stream }) => {
      stream.sendHeaders(fieldsOf(responseHead), false);
      stream.sendData(answer, 0, answer.length, false, undefined);
      stream.sendHeaders(fieldsOf(okTrailers), true);
    };
    flood(connected, 25, (to, index) => to.headers(1 + 2 * index, requestHead, true));
    expect(harness.session.activeStreams).toBe(10);
    expect(peer.resetsOf(29)).toEqual([calm]);
    expect(peer.resetsOf(31)).toEqual([]);
    // What is left arrives when it reads.
    peer.settings([4, 100_000]).windowUpdate(0, 10_000_000);
    turns.run();
    expect(peer.dataOf(49)).toHaveLength(answer.length);
    expect(harness.session.activeStreams).toBe(0);
  });

  test('and asks for more and more of what has no window is cut off', () => {
    const connected = connectedSession('server', { capacityBytes: 1000 });
    connected.peer.isReading = false;
    connected.harness.onRequest = ({ stream }) => {
      stream.sendHeaders(fieldsOf([...responseHead, ['x-large', 'x'.repeat(10_000)]]), true);
    };
    const sent = flood(connected, 10_000, (to, index) =>
      to.headers(1 + 2 * index, requestHead, true),
    );
    expect(sent * 10_000).toBeLessThan(2 * defaultLimits.maxOutputBytes);
    expect(connected.harness.ends).toMatchObject([{ error: { code: calm } }]);
  });
});

test('a peer that sends an octet now and then has no more time for its handshake', async () => {
  const { clock, harness, peer, turns } = sessionWithPeer('server');
  for (const octet of clientPreface.subarray(0, 10)) {
    peer.raw(Buffer.from([octet]));
    turns.run();
    expect(harness.session.state).toBe('open');
    await clock.advance(defaultLimits.handshakeTimeoutMs / 10);
  }
  turns.run();
  expect(peer.goAways).toMatchObject([{ code: errorCodes.settingsTimeout }]);
});
