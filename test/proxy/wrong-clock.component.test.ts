import { afterEach, expect, it } from '@jest/globals';
import { systemClock, type Clock } from '../../src/base/clock.ts';
import { Scope } from '../../src/base/scope.ts';
import { createGitalyClient } from '../../src/client/gitaly-client.ts';
import { createMemoryStore } from '../../src/proxy/store/memory-store.ts';
import { statusCodes } from '../../src/rpc/status.ts';
import { startInProcessProxy } from '../support/in-process-proxy.ts';
import { ProxyCluster, waitUntil } from '../support/proxy-cluster.ts';
import { RecordingLogger } from '../support/recording-logger.ts';

let scope = new Scope();
afterEach(async () => {
  await scope.stop();
  scope = new Scope();
});

const hourMs = 3_600_000;
/** What the time is on a machine whose clock is an hour fast. */
const fast: Clock = { ...systemClock, wallMs: () => systemClock.wallMs() + hourMs };

it('a proxy whose clock is wrong finds every storage unhealthy, is not ready, and says why', async () => {
  const cluster = scope.own(await ProxyCluster.start({ storages: 1, minInSyncReplicas: 1 }));
  const logger = new RecordingLogger();
  const proxy = scope.own(
    await startInProcessProxy({
      storages: cluster.nodes.map(({ name, address }) => ({ name, address: `tcp://${address}` })),
      minInSyncReplicas: 1,
      store: createMemoryStore({ clock: systemClock }),
      clientToken: ProxyCluster.clientToken,
      gitalyToken: ProxyCluster.gitalyToken,
      clock: fast,
      logger,
    }),
  );
  const unhealthy = () =>
    logger.entries.find(({ message }) => message === 'storage is unhealthy')?.fields;
  await waitUntil('the storage is unhealthy', () => unhealthy() !== undefined);
  expect(unhealthy()).toMatchObject({ storage: 'gitaly-0', reason: expect.any(String) });
  const http = `http://127.0.0.1:${proxy.httpPort}`;
  expect(await (await fetch(`${http}/metrics`)).text()).toContain(
    'gitaly_proxy_storage_healthy{virtual_storage="default",storage="gitaly-0"} 0',
  );
  const ready = await fetch(`${http}/readyz`);
  expect([ready.status, await ready.text()]).toEqual([
    503,
    expect.stringContaining('no storage can be reached'),
  ]);
  const address = `tcp://127.0.0.1:${proxy.grpcPort}`;
  const client = scope.own(createGitalyClient({ address, token: ProxyCluster.clientToken }));
  await expect(client.admin.getStatus({})).rejects.toMatchObject({
    code: statusCodes.PERMISSION_DENIED,
    message: expect.stringContaining('token has expired'),
  });
  // The other proxy does not suffer from it.
  const { virtualStorages } = await cluster.client().admin.getStatus({});
  expect(virtualStorages[0]?.storages).toMatchObject([{ healthy: true }]);
});
