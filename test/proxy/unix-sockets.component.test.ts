import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { systemClock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/logger.ts';
import { Scope } from '../../src/base/scope.ts';
import { createGitalyClient } from '../../src/client/gitaly-client.ts';
import { startProxyServer } from '../../src/main/proxy-server.ts';
import { createMemoryStore } from '../../src/proxy/store/memory-store.ts';
import { startStorageNode } from '../storage-node/start.ts';
import { commitFile } from '../support/commit-file.ts';
import { eventually } from '../support/eventually.ts';
import { patience } from '../support/steady-load.ts';

const scope = new Scope();
afterEach(() => scope.stop());

/** Makes what listens at `host:port` listen at `path` too. */
async function alsoAt(path: string, address: string): Promise<void> {
  const [host = '', port = ''] = address.split(':');
  const server = createServer((near) => {
    const far = connect({ host, port: Number(port) });
    near.pipe(far).pipe(near);
    for (const socket of [near, far]) {
      socket.on('error', () => {
        near.destroy();
        far.destroy();
      });
    }
  });
  scope.onStop(() => void server.close());
  await new Promise<void>((resolve) => {
    server.listen({ path }, resolve);
  });
}

describe('a proxy on one machine with its clients and its storage', () => {
  test('needs no port: all of them meet at unix sockets', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'unix-sockets-'));
    scope.onStop(() => rmSync(folder, { recursive: true, force: true }));
    const token = 'a token';
    const node = scope.own(await startStorageNode({ name: 'gitaly-0', root: folder, token }));
    await alsoAt(join(folder, 'gitaly.socket'), node.address);
    const socket = `unix:${join(folder, 'proxy.socket')}`;
    const proxy = scope.own(
      await startProxyServer({
        config: {
          grpcSocket: socket,
          stop: { lameDuckMs: 0, callsMs: 45_000 },
          httpListen: '127.0.0.1:0',
          virtualStorages: [
            {
              name: 'default',
              replicationFactor: 1,
              minInSyncReplicas: 1,
              storages: [{ name: 'gitaly-0', address: `unix:${join(folder, 'gitaly.socket')}` }],
            },
          ],
        },
        owner: 'proxy-0',
        openStore: async () => createMemoryStore({ clock: systemClock }),
        clientTokens: () => [token],
        gitalyTokens: () => [token],
        logger: silentLogger,
      }),
    );
    expect([proxy.grpcPort, proxy.grpcTlsPort]).toEqual([0, 0]);
    const readyUrl = `http://127.0.0.1:${proxy.httpPort}/readyz`;
    await eventually('the proxy is ready', async () => (await fetch(readyUrl)).ok);
    const client = scope.own(createGitalyClient({ address: socket, token, ...patience }));
    const repository = { storageName: 'default', relativePath: 'group/project.git' };
    await client.repository.createRepository({ repository });
    const id = await commitFile(client, { repository, branch: 'main', text: 'hello' });
    const found = await client.commit.findCommit({ repository, revision: Buffer.from('main') });
    expect(found.commit?.id).toBe(id);
  });
});
