import { afterEach, describe, expect, it, jest } from '@jest/globals';
import type { GitalyClient } from '../../src/client/gitaly-client.ts';
import { RpcError } from '../../src/rpc/rpc-error.ts';
import { statusCodes } from '../../src/rpc/status.ts';
import type { Fault } from '../storage-node/faults.ts';
import { commitFile } from '../support/commit-file.ts';
import { ProxyCluster, waitUntil } from '../support/proxy-cluster.ts';
import { patientMs } from '../support/steady-load.ts';

jest.setTimeout(120_000);

const repository = { storageName: 'default', relativePath: 'group/project.git' };

let cluster: ProxyCluster | undefined;
afterEach(async () => {
  await cluster?.stop();
  cluster = undefined;
});

/** A cluster whose storages answer health checks whatever happens to their writes. */
async function start() {
  cluster = await ProxyCluster.start();
  const client = cluster.client(0, { deadlineMs: patientMs });
  await client.repository.createRepository({ repository });
  const commit = await commitFile(client, { repository, branch: 'main', text: 'first' });
  const write = (branch: string) =>
    client.repository.writeRef({
      repository,
      ref: Buffer.from(`refs/heads/${branch}`),
      revision: Buffer.from(commit),
    });
  return { running: cluster, client, write };
}

async function primaryOf(client: GitalyClient): Promise<string> {
  const filter = { virtualStorage: 'default', relativePath: repository.relativePath };
  for await (const { primary } of client.admin.listRepositories(filter)) return primary;
  throw new Error('the repository is not listed');
}

/** The status that a call ends with. */
async function codeOf(call: Promise<unknown>): Promise<number> {
  try {
    await call;
    return statusCodes.OK;
  } catch (error) {
    if (error instanceof RpcError) return error.code;
    throw error;
  }
}

describe('a primary that answers health checks', () => {
  it('moves after two writes that it could not do and others could', async () => {
    const { running, client, write } = await start();
    const primary = await primaryOf(client);
    const { INTERNAL, OK } = statusCodes;
    const diskFull: Fault = {
      step: 'vote',
      phase: 'PREPARED',
      action: { kind: 'fail', code: INTERNAL, message: 'no space left on device' },
    };
    running.node(primary).faults.add(diskFull);
    expect(await codeOf(write('one'))).toBe(INTERNAL);
    expect(await codeOf(write('two'))).toBe(INTERNAL);
    expect(await codeOf(write('three'))).toBe(OK);
    expect(await primaryOf(client)).not.toBe(primary);
  });

  it('moves while a write waits for its vote, and the client does not notice', async () => {
    const { running, client, write } = await start();
    const primary = await primaryOf(client);
    running.node(primary).faults.add({ step: 'vote', phase: 'PREPARED', action: { kind: 'hang' } });
    await write('one');
    expect(await primaryOf(client)).not.toBe(primary);
  });
});

describe('a secondary that votes differently from the others each time', () => {
  it('falls behind and is repaired again and again, and never stops a write', async () => {
    const { running, client, write } = await start();
    const primary = await primaryOf(client);
    const secondary = running.nodes.find(({ name }) => name !== primary)?.name ?? '';
    const { faults } = running.node(secondary);
    faults.add({ step: 'vote', method: 'WriteRef', phase: 'PREPARED', action: { kind: 'differ' } });
    const metrics = async () => {
      const port = running.proxies[0]?.httpPort;
      return (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    };
    const repairs = `gitaly_proxy_repairs_total{virtual_storage="default",storage="${secondary}",outcome="inSync"}`;
    let writes = 0;
    await waitUntil('it was repaired three times', async () => {
      writes += 1;
      await write(`branch-${writes}`);
      const line = (await metrics()).split('\n').find((each) => each.startsWith(repairs));
      return Number(line?.slice(repairs.length) ?? 0) >= 3;
    });
    expect(await metrics()).toContain(
      'gitaly_praefect_tx_replications_total{reason="node-error-status"}',
    );
    expect(await primaryOf(client)).toBe(primary);
    faults.clear();
    await waitUntil('all are in sync', async () => {
      const filter = { virtualStorage: 'default', relativePath: repository.relativePath };
      for await (const { replicas } of client.admin.listRepositories(filter)) {
        return replicas.every(({ inSync }) => inSync);
      }
      return false;
    });
  });
});
