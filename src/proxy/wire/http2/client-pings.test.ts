import { describe, expect, test } from '@jest/globals';
import { errorCodes } from './errors.ts';
import { frameTypes } from './frames.ts';
import { connectedSession, requestHead } from './testing.ts';

const answer = Buffer.from('answer');

/** A server, and a client that pings it and hears its answers. */
function pingedServer() {
  const connected = connectedSession('server');
  const { turns, peer, clock } = connected;
  const ping = async (times: number, afterMs: number) => {
    for (let time = 0; time < times; time++) {
      await clock.advance(afterMs);
      peer.send(frameTypes.ping, 0, 0, 'abcdefgh');
      turns.run();
    }
  };
  return { ...connected, ping };
}

describe('a client that pings', () => {
  test('may do so every 10 s, with and without calls', async () => {
    const { clock, ping, peer, turns, harness } = pingedServer();
    await ping(50, 10_000);
    peer.headers(1, requestHead);
    turns.run();
    await ping(50, 10_000);
    // Answers may be held back a little, to go out with other frames.
    await clock.advance(1000);
    turns.run();
    expect(peer.framesOf(frameTypes.ping)).toHaveLength(100);
    expect(harness.session.state).toBe('open');
  });

  test('is sent away in the words of gRPC if it does so all the time', async () => {
    const { ping, peer, harness } = pingedServer();
    await ping(3, 9000);
    expect(peer.goAways).toEqual([]);
    await ping(1, 9000);
    expect(peer.goAways).toMatchObject([
      { code: errorCodes.enhanceYourCalm, debugData: 'too_many_pings' },
    ]);
    expect(harness.session.state).toBe('closed');
  });

  test('may do so to measure the line whenever it has got something', async () => {
    const { ping, peer, turns, harness } = pingedServer();
    for (let call = 0; call < 50; call++) {
      peer.headers(1 + 2 * call, requestHead, true);
      turns.run();
      harness.requests[call]?.reply(answer);
      turns.run();
      await ping(2, 10);
    }
    expect(harness.session.state).toBe('open');
  });

  test('has its excess forgiven when it has got something', async () => {
    const { ping, peer, turns, harness } = pingedServer();
    await ping(3, 1000);
    peer.headers(1, requestHead, true);
    turns.run();
    harness.requests[0]?.reply(answer);
    turns.run();
    await ping(3, 1000);
    expect(harness.session.state).toBe('open');
    await ping(1, 1000);
    expect(harness.session.state).toBe('closed');
  });
});

describe('a server that pings', () => {
  test('may do so as often as it likes', async () => {
    const { clock, turns, peer, harness } = connectedSession('client');
    for (let time = 0; time < 100; time++) peer.send(frameTypes.ping, 0, 0, 'abcdefgh');
    turns.run();
    // Answers may be held back a little, to go out with other frames.
    await clock.advance(1000);
    turns.run();
    expect(peer.framesOf(frameTypes.ping)).toHaveLength(100);
    expect(harness.session.state).toBe('open');
  });
});
