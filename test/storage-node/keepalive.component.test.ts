import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from '@jest/globals';
import { Scope } from '../../src/base/scope.ts';
import { eventually } from '../support/eventually.ts';
import { spawnStorageNode } from './spawn.ts';

/** What the kernel calls the timer of a connection that is asked for signs of life. */
const keepaliveTimer = '02';
const ticksPerSecond = 100;

/** Reads the column "tr tm->when" of /proc/net/tcp for one end of a connection on this machine. */
async function timerOf(localPort: number, remotePort: number) {
  const table = await readFile('/proc/net/tcp', 'utf8');
  const rows = table.split('\n').map((line) => line.trim().split(/\s+/));
  const portOf = (end = '') => Number.parseInt(end.split(':')[1] ?? '', 16);
  const row = rows.find(([, local, remote]) => {
    return portOf(local) === localPort && portOf(remote) === remotePort;
  });
  const [kind = '', when = ''] = row?.[5]?.split(':') ?? [];
  return { kind, seconds: Number.parseInt(when, 16) / ticksPerSecond };
}

test('a storage node asks a silent client for a sign of life after 15 s, as Gitaly does', async () => {
  const scope = new Scope();
  try {
    const root = await mkdtemp(path.join(tmpdir(), 'storage-node-'));
    scope.onStop(() => rm(root, { recursive: true, force: true }));
    const node = await spawnStorageNode({ name: 'gitaly-1', root });
    scope.onStop(() => node.stop());
    const { hostname, port: portText } = new URL(`tcp://${node.address}`);
    const port = Number(portText);
    const client = connect(port, hostname);
    scope.onStop(() => void client.destroy());
    await once(client, 'connect');
    const timer = await eventually('the timer runs', async () => {
      const found = await timerOf(port, client.localPort ?? 0);
      return found.kind === keepaliveTimer ? found : undefined;
    });
    expect(timer.seconds).toBeLessThanOrEqual(15);
  } finally {
    await scope.stop();
  }
});
