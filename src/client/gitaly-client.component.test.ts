import { afterEach, describe, expect, test } from '@jest/globals';
import {
  implement,
  startRpcServer,
  type Handlers,
  type RpcServer,
} from '../../test/support/rpc-server.ts';
import { startClusterIp } from '../../test/support/cluster-ip.ts';
import { patience } from '../../test/support/steady-load.ts';
import { deferred } from '../base/deferred.ts';
import { Scope } from '../base/scope.ts';
import { BlobService } from '../gen/gitaly/blob_pb.ts';
import { RepositoryService } from '../gen/gitaly/repository_pb.ts';
import { RpcError } from '../rpc/rpc-error.ts';
import { statusCodes } from '../rpc/status.ts';
import { verifyToken } from '../rpc/token.ts';
import { createGitalyClient, type GitalyClientOptions } from './gitaly-client.ts';

let scope = new Scope();

afterEach(async () => {
  await scope.stop();
  scope = new Scope();
});

type RepositoryHandlers = Handlers<typeof RepositoryService>;

/** A proxy that counts what it is asked; `size` tells which one answered. */
async function startProxy(host: string, port: number, overrides: RepositoryHandlers = {}) {
  const calls: string[] = [];
  const size = BigInt(host.split('.')[3] ?? 0);
  const server = scope.own(
    await startRpcServer(
      [
        implement(RepositoryService, {
          repositorySize() {
            calls.push('read');
            return Promise.resolve({ size });
          },
          writeRef() {
            calls.push('write');
            return Promise.resolve({});
          },
          ...overrides,
        }),
      ],
      { host, port },
    ),
  );
  return { server, calls, host };
}

/** Proxies on 127.0.0.1, 127.0.0.2, ... that share a port, as pods behind a headless service do. */
async function startProxies(...overrides: readonly RepositoryHandlers[]) {
  const first = await startProxy('127.0.0.1', 0, overrides[0]);
  const { port } = first.server;
  const others = await Promise.all(
    overrides.slice(1).map((handlers, index) => startProxy(`127.0.0.${index + 2}`, port, handlers)),
  );
  return { port, proxies: [first, ...others] };
}

function clientOf(port: number, options: Partial<GitalyClientOptions> = {}) {
  return scope.own(
    createGitalyClient({
      address: `dns:///proxies:${port}`,
      token: 's3cret',
      ...patience,
      ...options,
    }),
  );
}

function lookupOf(proxies: readonly { readonly host: string }[]) {
  return () => Promise.resolve(proxies.map(({ host }) => host));
}

const unavailable = () =>
  Promise.reject(new RpcError(statusCodes.UNAVAILABLE, 'the proxy is shutting down'));

async function drainAll(servers: readonly RpcServer[]): Promise<void> {
  await Promise.all(servers.map((server) => server.drain()));
}

describe('a client of several proxies', () => {
  test('spreads its calls over all of them, each call with a token', async () => {
    const headers: string[] = [];
    const check: RepositoryHandlers = {
      repositorySize(_request, call) {
        headers.push(String(call.metadata.get('authorization')[0]));
        return Promise.resolve({ size: 0n });
      },
    };
    const { port, proxies } = await startProxies({}, {}, check);
    const { repository } = clientOf(port, { lookup: lookupOf(proxies) });
    const counts = () => [...proxies.map(({ calls }) => calls.length), headers.length];
    // Round robin goes over those that are connected, and connecting to all takes a moment.
    while (Math.min(...counts().filter((_, index) => index !== 2)) === 0) {
      await repository.repositorySize({});
    }
    const before = counts();
    for (let count = 0; count < 9; count++) await repository.repositorySize({});
    expect(counts().map((count, index) => count - (before[index] ?? 0))).toEqual([3, 3, 0, 3]);
    expect(verifyToken(headers[0], ['s3cret'], Date.now())).toEqual({ kind: 'accepted' });
  });

  test('sees no error when one of them is restarted or gone, neither reading nor writing', async () => {
    const { port, proxies } = await startProxies({}, {}, {});
    const gone = { host: '127.0.0.9' };
    const { repository } = clientOf(port, { lookup: lookupOf([gone, ...proxies]) });
    await repository.repositorySize({});
    await proxies[0]?.server.drain();
    for (let count = 0; count < 10; count++) {
      await repository.repositorySize({});
      await repository.writeRef({});
    }
    expect(proxies[1]?.calls.length).toBeGreaterThan(0);
  });

  test('tries a read elsewhere that a proxy refuses as UNAVAILABLE', async () => {
    const { port, proxies } = await startProxies({ repositorySize: unavailable }, {});
    const { repository } = clientOf(port, { lookup: lookupOf(proxies) });
    for (let count = 0; count < 4; count++) {
      expect((await repository.repositorySize({})).size).toBe(2n);
    }
  });

  test('makes a write that ended UNAVAILABLE exactly once', async () => {
    let writes = 0;
    const handlers: RepositoryHandlers = {
      writeRef() {
        writes += 1;
        return unavailable();
      },
    };
    const { port, proxies } = await startProxies(handlers, handlers);
    const { repository } = clientOf(port, { lookup: lookupOf(proxies) });
    await expect(repository.writeRef({})).rejects.toMatchObject({
      code: statusCodes.UNAVAILABLE,
      message: 'the proxy is shutting down',
    });
    expect(writes).toBe(1);
  });

  test('makes a read again no more once its first answer is there', async () => {
    let reads = 0;
    const server = scope.own(
      await startRpcServer([
        implement(BlobService, {
          async *getBlob() {
            reads += 1;
            yield { oid: 'a' };
            await unavailable();
          },
        }),
      ]),
    );
    const { blob } = clientOf(0, { address: server.address });
    const received: string[] = [];
    const reading = (async () => {
      for await (const message of blob.getBlob({})) received.push(message.oid);
    })();
    await expect(reading).rejects.toMatchObject({ code: statusCodes.UNAVAILABLE });
    expect(received).toEqual(['a']);
    expect(reads).toBe(1);
  });

  test('finds new proxies at once when all that it knows are gone, also for a write', async () => {
    const { port, proxies } = await startProxies({}, {}, {});
    let known = proxies.slice(0, 2);
    const { repository } = clientOf(port, { lookup: () => lookupOf(known)() });
    await repository.repositorySize({});
    await drainAll(known.map(({ server }) => server));
    known = proxies.slice(2);
    await repository.writeRef({});
    expect(proxies[2]?.calls).toEqual(['write']);
  });

  test('lets a call finish on a proxy whose address is gone from the name', async () => {
    const answered = deferred<void>();
    const asked = deferred<void>();
    const slow: RepositoryHandlers = {
      async writeRef() {
        asked.resolve();
        await answered.promise;
        return {};
      },
    };
    const { port, proxies } = await startProxies(slow, {});
    let known = proxies.slice(0, 1);
    const { repository } = clientOf(port, {
      lookup: () => lookupOf(known)(),
      lookupIntervalMs: 20,
    });
    const writing = repository.writeRef({});
    await asked.promise;
    known = proxies.slice(1);
    let size = 1n;
    while (size !== 2n) ({ size } = await repository.repositorySize({}));
    answered.resolve();
    await writing;
  });

  test('says what to check when no proxy can be reached', async () => {
    const { port, proxies } = await startProxies({});
    await drainAll(proxies.map(({ server }) => server));
    const { repository } = clientOf(port, { lookup: lookupOf(proxies), connectLimitMs: 200 });
    await expect(repository.writeRef({})).rejects.toMatchObject({
      code: statusCodes.UNAVAILABLE,
      message: expect.stringMatching(/no server behind dns:\/\/\/proxies:\d+ .* check that/),
    });
  });

  test('says the same when the name has no address', async () => {
    const lookup = () => Promise.reject(new Error('ENOTFOUND'));
    const { repository } = clientOf(1, { lookup, connectLimitMs: 100 });
    await expect(repository.repositorySize({})).rejects.toMatchObject({
      code: statusCodes.UNAVAILABLE,
    });
  });
});

describe('a client of a single server', () => {
  test('takes a fresh secret for each call', async () => {
    const headers: string[] = [];
    const { server } = await startProxy('127.0.0.1', 0, {
      repositorySize(_request, call) {
        headers.push(String(call.metadata.get('authorization')[0]));
        return Promise.resolve({ size: 1n });
      },
    });
    const secrets = ['old', 'new'];
    const { repository } = clientOf(0, {
      address: server.address,
      token: () => secrets.shift() ?? '',
    });
    await repository.repositorySize({});
    await repository.repositorySize({});
    const outcomes = headers.map((header) => verifyToken(header, ['new'], Date.now()).kind);
    expect(outcomes).toEqual(['refused', 'accepted']);
  });

  test('behind a Service, of which one machine lost power, reaches another within its limit', async () => {
    const { server } = await startProxy('127.0.0.1', 0);
    const service = scope.own(await startClusterIp([undefined, server.port]));
    const address = `tcp://127.0.0.1:${service.port}`;
    const { repository } = clientOf(0, { address, connectLimitMs: 60_000 });
    expect((await repository.repositorySize({})).size).toBe(1n);
    const { made } = service.connections;
    expect(made).toBeGreaterThanOrEqual(2);
    await repository.writeRef({});
    expect(service.connections.made).toBe(made);
  });

  test('takes no call after it was stopped', async () => {
    const { server } = await startProxy('127.0.0.1', 0);
    const client = clientOf(0, { address: server.address });
    await client.repository.repositorySize({});
    await client.stop();
    await expect(client.repository.repositorySize({})).rejects.toMatchObject({ code: 1 });
  });

  test('refuses an address of no known form', () => {
    expect(() => clientOf(0, { address: 'proxy:2305' })).toThrow('use tcp://host:port');
  });
});
