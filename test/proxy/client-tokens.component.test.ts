import { afterEach, describe, expect, test } from '@jest/globals';
import { Scope } from '../../src/base/scope.ts';
import { createGitalyClient, type GitalyClient } from '../../src/client/gitaly-client.ts';
import type { ProxyServer } from '../../src/main/proxy-server.ts';
import { authorizationHeader } from '../../src/rpc/token.ts';
import { statusCodes } from '../../src/rpc/status.ts';
import { eventually } from '../support/eventually.ts';
import { ProxyCluster, type ProxyClusterOptions } from '../support/proxy-cluster.ts';
import { singleCall } from '../support/single-call.ts';
import { patience } from '../support/steady-load.ts';

let scope = new Scope();
afterEach(async () => {
  await scope.stop();
  scope = new Scope();
});

async function startProxy(options: ProxyClusterOptions): Promise<ProxyServer> {
  const cluster = scope.own(await ProxyCluster.start({ storages: 0, ...options }));
  const [proxy] = cluster.proxies;
  if (proxy === undefined) throw new Error('there is no proxy');
  return proxy;
}

function clientOf({ grpcPort }: ProxyServer, token: string): GitalyClient {
  return scope.own(
    createGitalyClient({ address: `tcp://127.0.0.1:${grpcPort}`, token, ...patience }),
  );
}

/** What the metrics tell of tokens, when so many have been counted. */
async function authenticationsOf({ httpPort }: ProxyServer, tokens: number): Promise<string[]> {
  return eventually(`${tokens} tokens are counted`, async () => {
    const response = await fetch(`http://127.0.0.1:${httpPort}/metrics`);
    const lines = (await response.text()).split('\n');
    const counts = lines
      .filter((line) => line.startsWith('gitaly_authentications_total{'))
      .map((line) => Number(line.split(' ').at(-1)));
    const isComplete = counts.reduce((sum, count) => sum + count, 0) >= tokens;
    return (
      isComplete && lines.filter((line) => line.startsWith('gitaly_authentication')).toSorted()
    );
  });
}

const serverInfo = '/gitaly.ServerService/ServerInfo';
const emptyMessage = Buffer.alloc(5);

describe("the clients' tokens", () => {
  test('may be several, so that each client can change over when it likes', async () => {
    let tokens = ['old', 'new'];
    const proxy = await startProxy({ proxy: { clientTokens: () => tokens } });
    const [old, next] = [clientOf(proxy, 'old'), clientOf(proxy, 'new')];
    await old.server.serverInfo({});
    await next.server.serverInfo({});
    tokens = ['new'];
    await next.server.serverInfo({});
    await expect(old.server.serverInfo({})).rejects.toMatchObject({
      code: statusCodes.PERMISSION_DENIED,
      message: 'permission denied: wrong hmac signature',
    });
    expect(await authenticationsOf(proxy, 4)).toEqual([
      'gitaly_authentication_errors_total{version="v2",error="wrong hmac signature"} 1',
      'gitaly_authentications_total{enforced="true",status="denied"} 1',
      'gitaly_authentications_total{enforced="true",status="ok"} 3',
    ]);
  });

  test('are checked and counted, and nobody is refused, while clients are being given theirs', async () => {
    const proxy = await startProxy({ config: { clientAuthTransitioning: true } });
    await clientOf(proxy, ProxyCluster.clientToken).server.serverInfo({});
    await clientOf(proxy, 'another').server.serverInfo({});
    const late = authorizationHeader(ProxyCluster.clientToken, Date.now() - 60_000);
    for (const authorization of [undefined, late]) {
      const call = { path: serverInfo, headers: { authorization }, body: emptyMessage };
      expect(await singleCall(proxy.grpcPort, call)).toMatchObject({ code: statusCodes.OK });
    }
    expect(await authenticationsOf(proxy, 4)).toEqual([
      'gitaly_authentication_errors_total{version="v2",error="token has expired"} 1',
      'gitaly_authentication_errors_total{version="v2",error="wrong hmac signature"} 1',
      'gitaly_authentications_total{enforced="false",status="denied"} 2',
      'gitaly_authentications_total{enforced="false",status="unauthenticated"} 1',
      'gitaly_authentications_total{enforced="false",status="would be ok"} 1',
    ]);
  });
});
