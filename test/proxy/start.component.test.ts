import { afterEach, describe, expect, test } from '@jest/globals';
import { systemClock } from '../../src/base/clock.ts';
import { deferred } from '../../src/base/deferred.ts';
import { silentLogger } from '../../src/base/logger.ts';
import { Scope } from '../../src/base/scope.ts';
import { startProxyServer, type ProxyServer } from '../../src/main/proxy-server.ts';
import { StoreUnavailableError, type ControlStore } from '../../src/proxy/store/control-store.ts';
import { createMemoryStore } from '../../src/proxy/store/memory-store.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';
import { ownLoopback } from '../support/own-loopback.ts';

describe('a proxy that starts before its database', () => {
  const scope = new Scope();
  afterEach(() => scope.stop());

  async function start(openStore: () => Promise<ControlStore>, signal?: AbortSignal) {
    const port = await freePort();
    const started = startProxyServer({
      config: {
        grpcListen: '127.0.0.1:0',
        httpListen: `${ownLoopback}:${port}`,
        virtualStorages: [],
        stop: { lameDuckMs: 0, callsMs: 45_000 },
      },
      owner: 'proxy-0',
      openStore,
      clientTokens: () => [],
      gitalyTokens: () => [],
      logger: silentLogger,
      ...(signal === undefined ? {} : { signal }),
    });
    const get = (path: string) => fetch(`http://${ownLoopback}:${port}${path}`);
    return { started, get };
  }

  test('is alive and not ready, and serves once the database is there', async () => {
    const isThere = deferred<void>();
    let asked = 0;
    const openStore = async () => {
      asked += 1;
      if (asked === 1) throw new StoreUnavailableError(new Error('connection refused'));
      await isThere.promise;
      return createMemoryStore({ clock: systemClock });
    };
    const { started, get } = await start(openStore);
    await eventually('the second attempt', () => asked === 2);
    expect((await get('/livez')).status).toBe(200);
    const ready = await get('/readyz');
    expect([ready.status, await ready.text()]).toEqual([503, 'waiting for the database\n']);
    expect((await get('/metrics')).status).toBe(200);
    isThere.resolve();
    const server: ProxyServer = scope.own(await started);
    expect(server.grpcPort).toBeGreaterThan(0);
  });

  test('waits on when the database goes away in the middle of the start', async () => {
    const store = createMemoryStore({ clock: systemClock });
    const renewLease = store.renewLease.bind(store);
    let asked = 0;
    store.renewLease = (lease) => {
      asked += 1;
      if (asked < 3) return Promise.reject(new StoreUnavailableError(new Error('restarting')));
      return renewLease(lease);
    };
    const { started } = await start(async () => store);
    scope.own(await started);
    // It is renewed from then on.
    expect(asked).toBeGreaterThanOrEqual(3);
    expect([...(await store.liveOwners()).keys()]).toEqual(['proxy-0']);
  });

  test('gives up when it is told to', async () => {
    const giveUp = new AbortController();
    const refuse = () => Promise.reject(new StoreUnavailableError(new Error('refused')));
    const { started, get } = await start(refuse, giveUp.signal);
    await eventually('its liveness', () =>
      get('/livez')
        .then(({ ok }) => ok)
        .catch(() => false),
    );
    giveUp.abort(new Error('told to stop'));
    await expect(started).rejects.toThrow('told to stop');
    await expect(get('/livez')).rejects.toThrow('fetch failed');
  });

  test('ends at once for any other reason', async () => {
    const { started } = await start(() => Promise.reject(new Error('the schema is newer')));
    await expect(started).rejects.toThrow('the schema is newer');
  });
});
