import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';

import { implement, startRpcServer, type RpcServer } from '../../test/support/rpc-server.ts';
import { systemClock } from '../base/clock.ts';
import { Scope } from '../base/scope.ts';
import { AdminService } from '../gen/gitaly_operator/v1/admin_pb.ts';
import { RpcError } from '../rpc/rpc-error.ts';
import { statusCodes } from '../rpc/status.ts';
import { verifyToken } from '../rpc/token.ts';
import { rpcPlacements } from './rpc-placements.ts';

let scope: Scope;
beforeEach(() => {
  scope = new Scope();
});
afterEach(() => scope.stop());

/** Each virtual storage has its repositories on a storage of its own, on `shared`, and on one that is gone. */
async function proxy(asked: string[] = [], tokens: string[] = []): Promise<RpcServer> {
  const admin = implement(AdminService, {
    async *listPlacements({ virtualStorage }, { metadata }) {
      asked.push(virtualStorage);
      tokens.push(String(metadata.get('authorization')[0]));
      const storages = [`${virtualStorage}-0`, 'shared', 'gone'];
      yield { asOfMs: 5n, storages };
      yield { sizes: [3], members: [0, 1, 2], repositories: [7], examples: ['a.git'] };
      yield { sizes: [1, 1], members: [1, 2], repositories: [1, 2], examples: ['b.git', 'c.git'] };
    },
  });
  return scope.own(await startRpcServer([admin]));
}

async function busyProxy(): Promise<RpcServer> {
  const admin = implement(AdminService, {
    // eslint-disable-next-line require-yield -- it fails before
    async *listPlacements() {
      throw new RpcError(statusCodes.RESOURCE_EXHAUSTED, 'another list is under way');
    },
  });
  return scope.own(await startRpcServer([admin]));
}

const endpoint = (name: string, { port }: { port: number }) => ({
  name,
  address: `127.0.0.1:${port}`,
});
const storages = [
  { virtualStorage: 'one', name: 'shared' },
  { virtualStorage: 'two', name: 'shared' },
  { virtualStorage: 'two', name: 'two-0' },
];
const source = rpcPlacements({ clock: systemClock });

describe('where repositories are', () => {
  test('comes over the admin service, with the indexes of the storages that are asked for', async () => {
    const asked: string[] = [];
    const tokens: string[] = [];
    const proxies = [endpoint('p-0', await proxy(asked, tokens))];
    const examples = ['a.git', 'b.git', 'a new repository', 'a.git', 'b.git', 'a new repository'];
    const listed = await source.list(proxies, 'secret', storages);
    expect(listed).toMatchObject({
      kind: 'listed',
      placements: {
        offsets: Uint32Array.of(0, 1, 2, 3, 5, 6, 8),
        members: Uint32Array.of(0, 0, 0, 2, 1, 1, 1, 2),
        repositories: Uint32Array.of(7, 1, 1, 7, 1, 1),
      },
    });
    expect(
      examples.map((_, set) => listed.kind === 'listed' && listed.placements.examples.at(set)),
    ).toEqual(examples);
    expect(asked).toEqual(['one', 'two']);
    expect(verifyToken(tokens[0], ['secret'], Date.now()).kind).toBe('accepted');
  });

  test('is asked of the next proxy if one cannot tell', async () => {
    const proxies = [endpoint('p-0', await busyProxy()), endpoint('p-1', await proxy())];
    expect(await source.list(proxies, 't', storages)).toMatchObject({ kind: 'listed' });
  });

  test('is unknown, with the reasons, if none can tell', async () => {
    const proxies = [endpoint('p-0', await busyProxy())];
    expect(await source.list(proxies, 't', storages)).toEqual({
      kind: 'unknown',
      message: expect.stringMatching(/^p-0 .*another list is under way/),
    });
    expect(await source.list([], 't', storages)).toEqual({
      kind: 'unknown',
      message: 'no proxy has an address yet',
    });
  });

  test('is unknown if a proxy hangs, when its time is over', async () => {
    const hanging = implement(AdminService, {
      async *listPlacements() {
        yield { asOfMs: 5n };
        await new Promise(() => {});
      },
    });
    const server = scope.own(await startRpcServer([hanging]));
    const hurried = rpcPlacements({ clock: systemClock, limitMs: 200 });
    const proxies = [endpoint('p-0', server), endpoint('p-1', await proxy())];
    expect(await hurried.list(proxies, 't', storages)).toEqual({
      kind: 'unknown',
      message: expect.stringMatching(/^p-0 does not answer/),
    });
  });

  test('is unknown if it does not fit into memory', async () => {
    const small = rpcPlacements({ clock: systemClock, maxBytes: 100 });
    expect(await small.list([endpoint('p-0', await proxy())], 't', storages)).toEqual({
      kind: 'unknown',
      message: expect.stringContaining('more than 100 bytes'),
    });
  });
});
