import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';

import { patientClock } from '../../test/support/patient-clock.ts';
import { implement, startRpcServer } from '../../test/support/rpc-server.ts';
import { Scope } from '../base/scope.ts';
import { AdminService } from '../gen/gitaly_operator/v1/admin_pb.ts';
import { verifyToken } from '../rpc/token.ts';
import type { DrainChange } from './proxy-drains.ts';
import type { ProxyEndpoint } from './proxy-status-source.ts';
import { rpcProxyDrains } from './rpc-proxy-drains.ts';

let scope: Scope;
beforeEach(() => {
  scope = new Scope();
});
afterEach(() => scope.stop());

const drains = rpcProxyDrains(patientClock);
const place = { virtualStorage: 'default', storage: 's-0', requester: 'operator' };
const grace = { unarySeconds: 60, streamSeconds: 300, fetchSeconds: 0, pushSeconds: 540 };
const request: DrainChange = { kind: 'requestDrain', ...place, reason: 'a new image', grace };

/** A proxy that keeps what it is asked for. */
async function proxy(calls: object[], tokens: string[] = []): Promise<ProxyEndpoint> {
  const admin = implement(AdminService, {
    async requestDrain({ virtualStorage, storage, requester, reason, graces }, { metadata }) {
      tokens.push(String(metadata.get('authorization')[0]));
      const graceOf = Object.fromEntries(graces.map((it) => [it.class, it.ms]));
      calls.push({ kind: 'requestDrain', virtualStorage, storage, requester, reason, graceOf });
      return {};
    },
    async cancelDrain({ virtualStorage, storage, requester }) {
      calls.push({ kind: 'cancelDrain', virtualStorage, storage, requester });
      return {};
    },
  });
  const { port } = scope.own(await startRpcServer([admin]));
  return { name: 'p', address: `127.0.0.1:${port}` };
}

async function goneProxy(): Promise<ProxyEndpoint> {
  const server = await startRpcServer([
    implement(AdminService, { requestDrain: async () => ({}) }),
  ]);
  const address = `127.0.0.1:${server.port}`;
  await server.stop();
  return { name: 'gone', address };
}

describe('a drain', () => {
  test('is asked for and taken back by one proxy, signed with the token', async () => {
    const calls: object[] = [];
    const tokens: string[] = [];
    const proxies = [await proxy(calls, tokens), await proxy(calls, tokens)];
    expect(await drains.change(proxies, 'secret', request)).toEqual({ kind: 'done' });
    const cancel: DrainChange = { kind: 'cancelDrain', ...place };
    expect(await drains.change(proxies, 'secret', cancel)).toEqual({ kind: 'done' });
    expect(calls).toEqual([
      {
        kind: 'requestDrain',
        ...place,
        reason: 'a new image',
        graceOf: { unary: 60_000n, stream: 300_000n, fetch: 0n, push: 540_000n },
      },
      { kind: 'cancelDrain', ...place },
    ]);
    expect(verifyToken(tokens[0], ['secret'], patientClock.wallMs()).kind).toBe('accepted');
  });

  test('is asked of the next proxy if one does not answer', async () => {
    const calls: object[] = [];
    const proxies = [await goneProxy(), await proxy(calls)];
    expect(await drains.change(proxies, 't', request)).toEqual({ kind: 'done' });
    expect(calls).toHaveLength(1);
  });

  test('has failed with the reasons if none does', async () => {
    expect(await drains.change([await goneProxy()], 't', request)).toMatchObject({
      kind: 'failed',
      message: expect.stringMatching(/^gone does not answer: /),
    });
    expect(await drains.change([], 't', request)).toEqual({
      kind: 'failed',
      message: 'no proxy has an address yet',
    });
  });
});
