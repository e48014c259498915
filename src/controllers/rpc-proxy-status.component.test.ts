import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';

import { patientClock } from '../../test/support/patient-clock.ts';
import { implement, startRpcServer, type RpcServer } from '../../test/support/rpc-server.ts';
import { systemClock } from '../base/clock.ts';
import { Scope } from '../base/scope.ts';
import { AdminService, type GetStatusResponse } from '../gen/gitaly_operator/v1/admin_pb.ts';
import { verifyToken } from '../rpc/token.ts';
import { rpcProxyStatus } from './rpc-proxy-status.ts';

let scope: Scope;
beforeEach(() => {
  scope = new Scope();
});
afterEach(() => scope.stop());

type Answer = Partial<Omit<GetStatusResponse, '$typeName' | '$unknown'>>;

async function proxy(answer: Answer | 'hangs', tokens: string[] = []): Promise<RpcServer> {
  const admin = implement(AdminService, {
    async getStatus(_request, { metadata }) {
      tokens.push(String(metadata.get('authorization')[0]));
      return answer === 'hangs' ? new Promise(() => {}) : answer;
    },
  });
  return scope.own(await startRpcServer([admin]));
}

const endpoint = (name: string, { port }: { port: number }) => ({
  name,
  address: `127.0.0.1:${port}`,
});
const source = rpcProxyStatus(patientClock);

describe('what the proxies say', () => {
  test('comes over the admin service, signed with the token', async () => {
    const tokens: string[] = [];
    const server = await proxy(
      {
        storeReachable: true,
        virtualStorages: [
          {
            $typeName: 'gitaly_operator.v1.VirtualStorageStatus',
            name: 'default',
            repositories: 3n,
            fullyReplicated: 1n,
            degraded: 1n,
            atRisk: 1n,
            unavailable: 0n,
            undecided: 1n,
            storages: [],
          },
        ],
      },
      tokens,
    );
    const report = await source.ask([endpoint('p-0', server)], 'secret');
    expect(report).toMatchObject({
      kind: 'answered',
      proxy: 'p-0',
      storeReachable: true,
      virtualStorages: [{ name: 'default', repositories: 3, degraded: 1, atRisk: 1, undecided: 1 }],
    });
    expect(verifyToken(tokens[0], ['secret'], patientClock.wallMs()).kind).toBe('accepted');
  });

  test('tells which storages are drained, how far, and which proxies are in touch', async () => {
    const drain = {
      $typeName: 'gitaly_operator.v1.Drain',
      requesters: [
        {
          $typeName: 'gitaly_operator.v1.DrainRequester',
          requester: 'operator',
          reason: 'a new image',
          requestedAtMs: 5n,
          graces: [],
        },
      ],
      unaware: ['p-1'],
      calls: [
        {
          $typeName: 'gitaly_operator.v1.DrainingCalls',
          class: 'fetch',
          count: 2n,
          oldestMs: 1200n,
          oldestRepository: 'r.git',
        },
      ],
      drained: false,
    } as const;
    const storage = {
      $typeName: 'gitaly_operator.v1.StorageStatus',
      name: 's-0',
      healthy: true,
      healthReason: '',
      replicas: 3n,
      inSync: 3n,
      primaries: 1n,
      moving: 0n,
      zone: 'z-1',
      weight: 100,
      full: false,
      freeBytes: 0n,
      totalBytes: 0n,
    } as const;
    const virtualStorage = {
      $typeName: 'gitaly_operator.v1.VirtualStorageStatus',
      name: 'default',
      repositories: 3n,
      fullyReplicated: 3n,
      degraded: 0n,
      atRisk: 0n,
      unavailable: 0n,
      undecided: 0n,
      storages: [{ ...storage, drain: { ...drain, requesters: [...drain.requesters] } }],
    } as unknown as NonNullable<Answer['virtualStorages']>[number];
    const server = await proxy({ storeReachable: true, virtualStorages: [virtualStorage] });
    const stale = await proxy({ storeReachable: false });
    const other = { ...virtualStorage, storages: [{ ...storage, healthy: false }] };
    const cutOff = await proxy({ storeReachable: true, virtualStorages: [other] });
    const report = await source.ask(
      [endpoint('p-0', server), endpoint('p-2', stale), endpoint('p-3', cutOff)],
      't',
    );
    expect(report).toMatchObject({
      inTouch: ['p-0', 'p-3'],
      virtualStorages: [
        {
          storages: [
            {
              zone: 'z-1',
              disputedBy: ['p-3'],
              drain: {
                requesters: [{ requester: 'operator', reason: 'a new image', requestedMs: 5 }],
                unaware: ['p-1'],
                calls: [{ class: 'fetch', count: 2, oldestMs: 1200, oldestRepository: 'r.git' }],
                drained: false,
              },
            },
          ],
        },
      ],
    });
  });

  test('is taken from a proxy that reaches its database, if there is one', async () => {
    const stale = await proxy({ storeReachable: false });
    const fresh = await proxy({ storeReachable: true });
    const proxies = [endpoint('stale', stale), endpoint('fresh', fresh)];
    expect(await source.ask(proxies, 't')).toMatchObject({ proxy: 'fresh' });
  });

  test('does not wait for a proxy that hangs for longer than its limit', async () => {
    const hanging = await proxy('hangs');
    const fresh = await proxy({ storeReachable: true });
    const proxies = [endpoint('hanging', hanging), endpoint('fresh', fresh)];
    const hurried = rpcProxyStatus(systemClock);
    expect(await hurried.ask(proxies, 't')).toMatchObject({ proxy: 'fresh' });
  });

  test('is silence with the reasons if none answers', async () => {
    const gone = await proxy({});
    await gone.stop();
    expect(await source.ask([endpoint('p-0', gone)], 't')).toMatchObject({
      kind: 'silent',
      message: expect.stringMatching(/^p-0 does not answer: /),
    });
    expect(await source.ask([], 't')).toEqual({
      kind: 'silent',
      message: 'no proxy has an address yet',
    });
  });
});
