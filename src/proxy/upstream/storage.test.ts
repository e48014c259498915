import { describe, expect, test } from '@jest/globals';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { silentLogger } from '../../base/logger.ts';
import { acceptConnection } from '../wire/backchannel.ts';
import { Http2Session } from '../wire/http2/session.ts';
import { memoryTransportPair } from '../wire/memory-transport.ts';
import type { Transport } from '../wire/transport.ts';
import { Storage } from './storage.ts';

/** A storage that takes every call and answers none; it can send something all the same. */
function startMuteStorage() {
  const clock = new ManualClock();
  let server: Http2Session | undefined;
  let connections = 0;
  const serve = (transport: Transport) => {
    const events = { onHeaders() {}, onData() {}, onAbort() {} };
    server = new Http2Session({
      transport,
      role: 'server',
      clock,
      events: { onRequest: () => events, onClosed() {} },
    });
    server.start();
  };
  const storage = new Storage({
    name: 'gitaly-0',
    address: 'memory',
    async connect() {
      connections += 1;
      const [near, far] = memoryTransportPair();
      acceptConnection(far, { clock, onHttp2: serve });
      return near;
    },
    tokens: () => [],
    backchannel: {
      onRequest: () => {
        throw new Error('nothing votes here');
      },
    },
    onSidechannel() {},
    clock,
    random: { next: () => 0.5 },
    logger: silentLogger,
  });
  storage.start();
  const send = () => void server?.ping(1000).catch(() => {});
  /** In small steps, since bytes take turns of the event loop to arrive. */
  const advance = async (byMs: number) => {
    for (let step = 0; step < byMs / 20; step++) await clock.advance(20);
  };
  return { advance, storage, send, connections: () => connections };
}

describe('a storage that does not answer its health checks', () => {
  test('is given up after 2.5 s of silence, and its connection is made again', async () => {
    const { advance, storage, connections } = startMuteStorage();
    await advance(2400);
    expect([storage.health.kind, connections()]).toEqual(['unknown', 1]);
    await advance(1000);
    expect([storage.health.kind, connections()]).toEqual(['unhealthy', 2]);
    await storage.stop();
  });

  test('is not given up as long as something arrives on its connection', async () => {
    const { advance, storage, send, connections } = startMuteStorage();
    for (let second = 0; second < 8; second++) {
      await advance(1000);
      send();
    }
    expect([storage.health.kind, connections()]).toEqual(['unknown', 1]);
    await advance(4000);
    expect(connections()).toBe(2);
    await storage.stop();
  });
});
