import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { commitFile } from '../support/commit-file.ts';
import { eventually } from '../support/eventually.ts';
import { ProxyCluster, waitUntil } from '../support/proxy-cluster.ts';

const repository = { storageName: 'default', relativePath: 'group/project.git' };
let cluster: ProxyCluster;

beforeAll(async () => {
  cluster = await ProxyCluster.start();
  const client = cluster.client();
  await client.repository.createRepository({ repository });
  await commitFile(client, { repository, branch: 'main', text: 'first' });
  await client.ref.findDefaultBranchName({ repository });
});
afterAll(() => cluster.stop());

/** The sum of a metric's series that have these labels. */
async function sumOf(name: string, labels: string[] = [], path = '/metrics'): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${cluster.proxies[0]?.httpPort}${path}`);
  expect(response.status).toBe(200);
  const lines = (await response.text()).split('\n').filter((line) => {
    return /^[^{ ]+/.exec(line)?.[0] === name && labels.every((label) => line.includes(label));
  });
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}

describe('the metrics of a proxy', () => {
  test.each([
    ['gitaly_praefect_connections_total', ['type="tcp"'], 1],
    ['gitaly_authentications_total', ['enforced="true"', 'status="ok"'], 3],
    ['grpc_server_handled_total', ['grpc_method="UserCommitFiles"', 'grpc_code="OK"'], 1],
    ['grpc_server_handling_seconds_count', ['grpc_method="UserCommitFiles"'], 1],
    ['gitaly_service_client_requests_total', ['grpc_method="UserCommitFiles"'], 1],
    ['gitaly_praefect_method_types', ['method_type="mutator"'], 2],
    ['gitaly_praefect_method_types', ['method_type="accessor"'], 1],
    ['gitaly_praefect_read_distribution', ['virtual_storage="default"'], 1],
    ['gitaly_praefect_uptodate_storages_cache_access_total', ['type="hit"'], 1],
    ['gitaly_praefect_voters_per_transaction_total_count', [], 2],
    ['gitaly_praefect_transactions_total', ['action="registered"'], 6],
    ['gitaly_praefect_subtransactions_per_transaction_total_count', [], 2],
    ['gitaly_proxy_writes_total', ['outcome="recorded"'], 2],
    ['gitaly_praefect_tx_replications_total', ['reason="updated"'], 1],
  ] as const)('count the calls: %s %j', async (name, labels, least) => {
    await eventually(name, async () => (await sumOf(name, [...labels])) >= least);
  });

  test('count every vote and its answer', async () => {
    const name = 'gitaly_praefect_transactions_total';
    await eventually('every vote is answered', async () => {
      const started = await sumOf(name, ['action="started"']);
      const answered = await sumOf('gitaly_praefect_transactions_delay_seconds_count');
      return started > 0 && started === answered;
    });
    expect(await sumOf(name, ['action="committed"'])).toBeGreaterThan(0);
  });

  test('of the database count the repositories', async () => {
    expect(await sumOf('gitaly_proxy_repositories', [], '/db_metrics')).toBe(1);
    const unavailable = 'gitaly_praefect_unavailable_repositories';
    expect(await sumOf(unavailable, [], '/db_metrics')).toBe(0);
    expect(await sumOf('gitaly_proxy_replicas', ['state="all"'], '/db_metrics')).toBe(3);
  });

  test('tell of a replica that falls behind, and of its repair', async () => {
    const client = cluster.client();
    const node = cluster.node('gitaly-0');
    await node.stop();
    await commitFile(client, { repository, branch: 'main', text: 'second' });
    const name = 'gitaly_praefect_tx_replications_total';
    await eventually('the replica fell behind', async () => {
      const reasons = ['outdated', 'node-error-status'];
      const sums = await Promise.all(reasons.map((reason) => sumOf(name, [`reason="${reason}"`])));
      return sums.some((sum) => sum > 0);
    });
    await cluster.restartNode(node.name);
    await waitUntil('the replica is repaired', async () => {
      const repairs = 'gitaly_proxy_repairs_total';
      return (await sumOf(repairs, [`storage="${node.name}"`, 'outcome="inSync"'])) > 0;
    });
    await eventually('how long that took is counted', async () => {
      return (await sumOf('gitaly_praefect_replication_latency_count')) > 0;
    });
  });
});
