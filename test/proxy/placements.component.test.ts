import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { statusCodes } from '../../src/rpc/status.ts';
import { connect, migrate } from '../../src/proxy/store/testing.ts';
import type { ListPlacementsResponse } from '../../src/gen/gitaly_operator/v1/admin_pb.ts';
import type { GitalyClient } from '../../src/client/gitaly-client.ts';
import { useDatabase } from '../support/postgres.ts';
import { ProxyCluster } from '../support/proxy-cluster.ts';

jest.setTimeout(120_000);

const database = useDatabase();
let cluster: ProxyCluster;
beforeAll(async () => {
  await migrate(database.coordinates);
  const openStore = () => connect(database.coordinates);
  cluster = await ProxyCluster.start({ storages: 3, replicationFactor: 2, openStore });
});
afterAll(() => cluster.stop());

async function listOf(client: GitalyClient): Promise<ListPlacementsResponse[]> {
  const parts = [];
  for await (const part of client.admin.listPlacements({ virtualStorage: 'default' })) {
    parts.push(part);
  }
  return parts;
}

describe('ListPlacements', () => {
  it('tells on which storages repositories are in sync, and names one of them', async () => {
    const client = cluster.client();
    const begunMs = Date.now();
    const [empty, ...none] = await listOf(client);
    expect(none).toEqual([]);
    expect(empty).toMatchObject({ storages: [], sizes: [], repositories: [] });
    for (let index = 0; index < 6; index++) {
      const repository = { storageName: 'default', relativePath: `project-${index}.git` };
      await client.repository.createRepository({ repository });
    }
    const expected = new Map<string, string[]>();
    for await (const { relativePath, replicas } of client.admin.listRepositories({})) {
      const names = replicas.flatMap(({ storage, inSync }) => (inSync ? [storage] : []));
      const key = names.toSorted().join();
      expected.set(key, [...(expected.get(key) ?? []), relativePath]);
    }
    const [part, ...others] = await listOf(client);
    expect(others).toEqual([]);
    const { asOfMs = 0n, storages = [], sizes = [], members = [] } = part ?? {};
    expect(Number(asOfMs)).toBeGreaterThanOrEqual(begunMs);
    expect(Number(asOfMs)).toBeLessThanOrEqual(Date.now());
    let from = 0;
    const found = sizes.map((size, set) => {
      const names = members.slice(from, from + size).map((member) => storages[member] ?? '');
      from += size;
      const key = names.toSorted().join();
      expect(expected.get(key)).toContain(part?.examples[set]);
      expect(expected.get(key)).toHaveLength(part?.repositories[set] ?? -1);
      return key;
    });
    expect(from).toBe(members.length);
    expect(found.toSorted()).toEqual([...expected.keys()].toSorted());
  });

  it('refuses a virtual storage that there is not', async () => {
    const client = cluster.client();
    const list = client.admin.listPlacements({ virtualStorage: 'other' });
    await expect(list[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      code: statusCodes.INVALID_ARGUMENT,
    });
  });
});
