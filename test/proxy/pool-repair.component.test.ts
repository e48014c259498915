import { rm } from 'node:fs/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { RpcError } from '../../src/rpc/rpc-error.ts';
import { statusCodes } from '../../src/rpc/status.ts';
import { named, type Named } from '../support/fork-network.ts';
import { LocalForkNetwork } from '../support/local-fork-network.ts';
import { ProxyCluster, waitUntil } from '../support/proxy-cluster.ts';

let cluster: ProxyCluster | undefined;
afterEach(async () => {
  await cluster?.stop();
  cluster = undefined;
});

async function start(options: Parameters<typeof ProxyCluster.start>[0] = {}) {
  cluster = await ProxyCluster.start(options);
  const running = cluster;
  const network = new LocalForkNetwork(running);
  const storages = running.nodes.map(({ name }) => name);
  /** Every replica is whole, and borrows from the pool or from nothing, as `members` and `others` say. */
  const expectWhole = async (members: readonly Named[], others: readonly Named[] = []) => {
    const { replicaPath } = (await network.status(network.pool)) ?? {};
    for (const repository of [...members, ...others]) {
      const borrowed = members.includes(repository) ? `${replicaPath}/objects` : undefined;
      for (const storage of await network.inSync(repository)) {
        expect(await network.borrowsFrom(repository, storage)).toBe(borrowed);
        expect(await network.faultsOf(repository, storage)).toBe('');
      }
    }
  };
  return { running, network, storages, expectWhole };
}

async function isDone(call: Promise<void>): Promise<boolean> {
  try {
    await call;
    return true;
  } catch (error) {
    const { UNAVAILABLE, DEADLINE_EXCEEDED } = statusCodes;
    expect([UNAVAILABLE, DEADLINE_EXCEEDED]).toContain((error as RpcError).code);
    return false;
  }
}

describe('a storage that was away', () => {
  it('gets the pool, then its members, and borrows where the others do', async () => {
    const { running, network, storages, expectWhole } = await start();
    const { source, pool } = network;
    await network.createSourceAndPool();
    const old = await network.fork('old');
    await network.link(old);
    await network.tidy(pool, source, old);

    const [away = ''] = storages;
    await running.node(away).kill();
    await network.commit(source, 'four');
    await network.fetchIntoPool(source);
    const young = await network.fork('young');
    await network.link(young);
    await network.commit(young, 'five');
    await network.tidy(pool, source, old, young);
    expect(await network.inSync(source)).toHaveLength(2);

    await running.restartNode(away);
    await network.settled(source, old, young, pool);
    for (const repository of [source, old, young, pool]) {
      expect(await network.inSync(repository)).toEqual(storages);
    }
    await expectWhole([source, old, young], [pool]);
  });

  it('while the pool was made gets it', async () => {
    const { running, network, storages, expectWhole } = await start();
    const { source, pool, client } = network;
    await client.repository.createRepository({ repository: source });
    await network.commit(source, 'one');
    const [away = ''] = storages;
    await running.node(away).kill();
    await client.objectPool.createObjectPool({ objectPool: { repository: pool }, origin: source });
    await network.link(source);
    await network.tidy(pool, source);

    await running.restartNode(away);
    await network.settled(source, pool);
    expect(await network.inSync(source)).toEqual(storages);
    await expectWhole([source], [pool]);
  });

  it('while members left the pool stops borrowing, even from a pool that is gone', async () => {
    const { running, network, storages, expectWhole } = await start();
    const { source, pool, client } = network;
    await network.createSourceAndPool();
    const fork = await network.fork('fork');
    await network.link(fork);
    await network.tidy(pool, source, fork);
    const [away = ''] = storages;
    const folder = await network.folder(pool, away);

    await running.node(away).kill();
    for (const repository of [source, fork]) {
      await client.objectPool.disconnectGitAlternates({ repository });
    }
    await client.objectPool.deleteObjectPool({ objectPool: { repository: pool } });
    await rm(folder, { recursive: true });
    expect(await network.faultsOf(source, away)).not.toBe('');

    await running.restartNode(away);
    await network.settled(source, fork);
    expect(await network.inSync(source)).toEqual(storages);
    await expectWhole([], [source, fork]);
  });
});

describe('a repository on other storages than the pool that it joins', () => {
  it('has the pool brought to its storages', async () => {
    const { network, expectWhole } = await start({ storages: 4, replicationFactor: 2 });
    await network.createSourceAndPool();
    const holders = await network.inSync(network.pool);
    const strangers: Named[] = [];
    // By chance: one in six of them is on the same two storages as the source.
    while (strangers.length < 3) {
      const repository = named(`group/stranger-${strangers.length}.git`);
      await network.client.repository.createRepository({ repository });
      await network.commit(repository, 'strange');
      strangers.push(repository);
    }
    for (const stranger of strangers) {
      // Refused for as long as the pool takes to get there, as GitLab's job would find it.
      await waitUntil('the pool is there', () => isDone(network.link(stranger)), 60_000);
      const storages = await network.inSync(stranger);
      expect(await network.inSync(network.pool)).toEqual(expect.arrayContaining(storages));
    }
    expect(await network.inSync(network.pool)).toEqual(expect.arrayContaining(holders));
    await network.tidy(network.pool, ...strangers);
    await expectWhole([network.source, ...strangers], [network.pool]);
  });
});
