import { inspect } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import pg from 'pg';
import {
  startPostgres,
  type DatabaseCoordinates,
  type PostgresServer,
} from '../../../test/support/postgres-server.ts';
import { clientConfig } from '../../../test/support/postgres.ts';
import { TcpRelay } from '../../../test/support/tcp-relay.ts';
import { Scope } from '../../base/scope.ts';
import type { RepositoryRecord } from '../routing/repository-record.ts';
import { create, eventually, succeeds, WatchRecorder } from './conformance/support.ts';
import type { ConnectionSource } from './connection.ts';
import { StoreUnavailableError, type ControlStore } from './control-store.ts';
import type { PostgresStoreOptions } from './postgres-store.ts';
import { connect, LogRecorder, migrate } from './testing.ts';

/** Long enough for calls that are to succeed on a machine that is busy, as is the margin. */
const limits = { connectMs: 2000, callMs: 2000, probeIntervalMs: 100 };
const marginMs = 10_000;

jest.setTimeout(120_000);

let server: PostgresServer;
let coordinates: DatabaseCoordinates;
let scope = new Scope();

beforeAll(async () => {
  server = await startPostgres({ wal_level: 'replica', max_wal_senders: '1' });
  coordinates = server.coordinates('postgres');
  await migrate(coordinates);
});
afterAll(() => server.stop());
afterEach(async () => {
  await scope.stop();
  scope = new Scope();
});

describe('a server that is stopped and started again', () => {
  test.each(['fast', 'immediate'] as const)(
    'rejects calls, and serves again (%s)',
    async (mode) => {
      const { store, recorder } = await openWatching();
      const record = await create(store);
      await recorder.until(({ kind }) => kind === 'changed');
      await server.shutDown(mode);
      await recorder.until(({ kind }) => kind === 'disconnected');
      await expectUnavailable(store.get(record));
      await expectUnavailable(store.renewLease({ owner: 'proxy-0', durationMs: 1000 }));
      await server.startAgain();
      await eventually(() => answers(store));
      expect(await store.get(record)).toEqual(record);
      await eventually(async () => recorder.events.at(-1)?.kind === 'reset');
      expect(kindsOf(recorder)).toEqual(['reset', 'changed', 'disconnected', 'reset']);
      await store.renewLease({ owner: 'proxy-0', durationMs: 1000 });
    },
  );

  test('still knows the leases, also after a crash', async () => {
    const { store } = await openWatching();
    await store.renewLease({ owner: 'survivor', durationMs: 60_000 });
    await server.shutDown('immediate');
    await server.startAgain();
    await eventually(() => answers(store));
    expect((await store.liveOwners()).has('survivor')).toBe(true);
  });

  test('rejects a watch that begins meanwhile, within the limit', async () => {
    const store = await open();
    await server.shutDown('fast');
    const recorder = new WatchRecorder();
    await expectUnavailable(store.watch(recorder));
    await server.startAgain();
    await eventually(() => succeeds(store.watch(recorder)));
    expect(recorder.events).toEqual([{ kind: 'reset' }]);
  });
});

describe('a server that is frozen', () => {
  test('lets no call take longer than its limit, however many there are', async () => {
    const { store } = await openWatching();
    const record = await create(store);
    await server.freeze();
    try {
      const calls: Promise<unknown>[] = [
        store.compareAndSwap(record),
        store.acknowledge('proxy-0', 1n, 1n),
        store.renewLease({ owner: 'proxy-0', durationMs: 1000 }),
        store.list({ limit: 10 }),
      ];
      await Promise.all(calls.map(expectUnavailable));
    } finally {
      server.thaw();
    }
    await eventually(() => answers(store));
  });

  test('lets no more than a thousand calls wait', async () => {
    const store = await open();
    const record = await create(store);
    await server.freeze();
    try {
      const calls = Array.from({ length: 1200 }, () => store.get(record));
      const outcomes = await Promise.allSettled(calls);
      const reasons = outcomes.map((outcome) => outcome.status === 'rejected' && outcome.reason);
      expect(reasons.filter((reason) => reason instanceof StoreUnavailableError)).toHaveLength(
        1200,
      );
      const refused = reasons.filter((reason) => /too many calls wait/.test(String(reason)));
      expect(refused.length).toBeGreaterThan(150);
    } finally {
      server.thaw();
    }
    await eventually(() => answers(store));
  });

  test('is noticed by those who watch, and everything goes on after it thaws', async () => {
    const { store, recorder } = await openWatching();
    const { store: other } = await openWatching();
    const record = await create(store);
    await recorder.until(({ kind }) => kind === 'changed');
    const startedMs = performance.now();
    await server.freeze();
    try {
      await recorder.until(({ kind }) => kind === 'disconnected');
      const bound = limits.probeIntervalMs + limits.callMs + marginMs;
      expect(performance.now() - startedMs).toBeLessThan(bound);
      await expectUnavailable(store.compareAndSwap({ ...record, epoch: 2n }));
    } finally {
      server.thaw();
    }
    await eventually(() => answers(store));
    await eventually(async () => recorder.events.at(-1)?.kind === 'reset');
    expect(kindsOf(recorder).slice(0, 4)).toEqual(['reset', 'changed', 'disconnected', 'reset']);

    // The server may do what it has received even now, after the call was rejected.
    const last = await untilChanged(other, record.id);
    await recorder.until(
      (event) => event.kind === 'changed' && event.record.version === last.version,
    );
    expect(await store.getById(record.id)).toEqual(last);
  });

  test('does not keep a store from being stopped', async () => {
    const { store } = await openWatching();
    await server.freeze();
    const startedMs = performance.now();
    const call = store.liveOwners().catch(() => {});
    try {
      await store.stop();
      expect(performance.now() - startedMs).toBeLessThan(limits.callMs + marginMs);
      await call;
    } finally {
      server.thaw();
    }
  });
});

describe('a network that swallows everything', () => {
  test('is noticed; the first calls over the healed one succeed', async () => {
    const network = scope.own(await startNetwork(coordinates));
    const { store, recorder } = await openWatching({
      ...coordinates,
      host: '127.0.0.1',
      port: network.port,
    });
    const record = await create(store);
    await Promise.all(Array.from({ length: 10 }, () => store.get(record)));
    network.swallow();
    await recorder.until(({ kind }) => kind === 'disconnected');
    await expectUnavailable(store.get(record));
    network.heal();
    await eventually(async () => recorder.events.at(-1)?.kind === 'reset');
    const answers = await Promise.all(Array.from({ length: 10 }, () => store.get(record)));
    expect(answers).toEqual(answers.map(() => record));
  });
});

describe('connections that are lost', () => {
  test('while idle are replaced', async () => {
    const store = await open();
    const record = await create(store);
    await Promise.all(Array.from({ length: 5 }, () => store.get(record)));
    const client = new pg.Client(clientConfig(coordinates));
    await client.connect();
    const others = `FROM pg_stat_activity WHERE backend_type = 'client backend'
                    AND pid <> pg_backend_pid()`;
    await client.query(`SELECT pg_terminate_backend(pid) ${others}`);
    await eventually(async () => (await client.query(`SELECT ${others}`)).rowCount === 0);
    await client.end();
    await eventually(() => answers(store));
    expect(await store.get(record)).toEqual(record);
  });
});

describe('connecting', () => {
  test('is refused by a server that only repeats what another does', async () => {
    const standby = scope.own(await startPostgres({ wal_level: 'replica', max_wal_senders: '1' }));
    const connection = standby.coordinates('postgres');
    await migrate(connection);
    const store = await open(connection);
    await standby.shutDown('fast');
    await standby.startAgain('standby');
    await expect(open(connection)).rejects.toThrow(/standby/);
    await expectUnavailable(store.liveOwners());
    await expectUnavailable(store.watch(new WatchRecorder()));
  });

  test('works with a URI, with a socket folder and with credentials that change', async () => {
    const { host, port, dbname, username, password } = coordinates;
    const uri = `postgresql://${username}:${password}@${host}:${port}/${dbname}`;
    const socket = { ...coordinates, host: server.socketDir, password: '' };
    let current = { ...coordinates, password: 'not yet' };
    const changing = () => current;
    await expectUnavailable(open(changing));
    current = coordinates;
    for (const connection of [{ uri }, socket, changing]) {
      expect(await answers(await open(connection))).toBe(true);
    }
  });

  test('tells to migrate first', async () => {
    await expect(open({ ...coordinates, dbname: 'template1' })).rejects.toThrow(
      /run the migrations/,
    );
  });

  test('warns of a database that may forget what it has acknowledged', async () => {
    const logger = new LogRecorder();
    const { host, port, dbname, username, password } = coordinates;
    const settings = `options=${encodeURIComponent('-c synchronous_commit=off')}`;
    const uri = `postgresql://${username}:${password}@${host}:${port}/${dbname}?${settings}`;
    await open({ uri }, { logger });
    expect(logger.lines.map(({ message }) => message)).toEqual([
      'the database may lose what it has acknowledged when it crashes',
    ]);
  });

  test('and losing connections never tells the password', async () => {
    const logger = new LogRecorder();
    const password = 'a-secret';
    const failures: unknown[] = [];
    const keep = (error: unknown) => failures.push(error);
    const { host, port } = coordinates;
    await open({ ...coordinates, password }, { logger }).catch(keep);
    await open({ uri: `postgresql://me:${password}@${host}:${port}/db` }, { logger }).catch(keep);
    await open({ uri: `postgresql://me:${password}@not a host/` }, { logger }).catch(keep);
    await open({ uri: `postgresql://me:${password}#@${host}/` }, { logger }).catch(keep);
    const { store, recorder } = await openWatching(coordinates, { logger });
    await store.liveOwners();
    await server.shutDown('fast');
    await recorder.until(({ kind }) => kind === 'disconnected');
    await server.startAgain();
    expect(failures).toHaveLength(4);
    expect(logger.lines.length).toBeGreaterThan(0);
    const told = inspect([failures, logger.lines], { depth: 20 });
    expect(told).not.toContain(password);
    expect(told).not.toContain(coordinates.password);
  });
});

async function open(
  connection: ConnectionSource = coordinates,
  options: Partial<PostgresStoreOptions> = {},
): Promise<ControlStore> {
  return scope.own(await connect(connection, { limits, ...options }));
}

async function openWatching(...args: Parameters<typeof open>) {
  const store = await open(...args);
  const recorder = new WatchRecorder();
  await store.watch(recorder);
  return { store, recorder };
}

function kindsOf(recorder: WatchRecorder): string[] {
  return recorder.events.map(({ kind }) => kind);
}

/** Changes the record, whatever others may be doing to it, and returns the result. */
async function untilChanged(store: ControlStore, id: bigint): Promise<RepositoryRecord> {
  for (;;) {
    const current = await store.getById(id);
    if (current === undefined) throw new Error('the record is gone');
    const outcome = await store.compareAndSwap(current);
    if (outcome.kind === 'swapped') return outcome.record;
  }
}

function answers(store: ControlStore): Promise<boolean> {
  return succeeds(store.liveOwners());
}

/** Expects the call to be rejected as it should, and within its limit. */
async function expectUnavailable(call: Promise<unknown>): Promise<void> {
  const startedMs = performance.now();
  await expect(call).rejects.toBeInstanceOf(StoreUnavailableError);
  expect(performance.now() - startedMs).toBeLessThan(limits.callMs + marginMs);
}

/** A way to the server that can lose every packet, as a broken network does. */
async function startNetwork({ host, port }: Pick<DatabaseCoordinates, 'host' | 'port'>) {
  let isBroken = false;
  const relay = await TcpRelay.start({}, (near) => {
    if (isBroken) return;
    const far = relay.connect({ host, port });
    near.pipe(far).pipe(near);
  });
  return {
    port: relay.port,
    /** What is connected stays so for ever, and nothing gets through any more. */
    swallow() {
      isBroken = true;
      for (const socket of relay.sockets) socket.unpipe().pause();
    },
    /** New connections get through. */
    heal() {
      isBroken = false;
    },
    stop: () => relay.stop(),
  };
}
