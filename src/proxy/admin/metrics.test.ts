import { describe, expect, test } from '@jest/globals';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { nodesOf } from '../../../test/support/repository-records.ts';
import { readCallHead } from '../relay/call-head.ts';
import { CallTrace } from '../relay/call-trace.ts';
import type { ServerCall } from '../relay/server-call.ts';
import type { StoreSummary } from '../store/control-store.ts';
import { StorageDirectory, VirtualStorage } from '../upstream/storage-directory.ts';
import { headerField } from '../wire/hpack/header-field.ts';
import { DatabaseMetrics } from './database-metrics.ts';
import { ProxyMetrics } from './metrics.ts';

function create(): ProxyMetrics {
  return new ProxyMetrics(new StorageDirectory([]));
}

function callOf(path: string, headers: Readonly<Record<string, string>> = {}): ServerCall {
  const all = Object.entries({ ':path': path, ...headers });
  const head = readCallHead(all.map(([name, value]) => headerField(name, value)));
  const call: Pick<ServerCall, 'head' | 'trace'> = { head, trace: new CallTrace() };
  return call as ServerCall;
}

/** The lines of one metric, without its help and type. */
async function read(metrics: { readonly registry: ProxyMetrics['registry'] }, name: string) {
  const lines = (await metrics.registry.metrics()).split('\n');
  return lines.filter((line) => line.startsWith(name)).map((line) => line.slice(name.length));
}

describe('the metrics of calls', () => {
  const path = '/gitaly.CommitService/FindCommit';

  test('count what began and what ended, by method and status, in the words of gRPC for Go', async () => {
    const metrics = create();
    for (const code of [0, 0, 5]) {
      metrics.callStarted(callOf(path));
      metrics.callEnded(callOf(path), code, 0.02);
    }
    metrics.callStarted(callOf(path));
    const labels = 'grpc_service="gitaly.CommitService",grpc_method="FindCommit"';
    expect(await read(metrics, 'grpc_server_started_total')).toEqual([`{${labels}} 4`]);
    expect(await read(metrics, 'grpc_server_handled_total')).toEqual([
      `{${labels},grpc_code="OK"} 2`,
      `{${labels},grpc_code="NotFound"} 1`,
    ]);
    expect(await read(metrics, 'gitaly_praefect_method_types')).toEqual([
      '{method_type="accessor"} 4',
    ]);
  });

  test('say the same when they are asked for again', async () => {
    const metrics = create();
    metrics.callStarted(callOf(path));
    metrics.callEnded(callOf(path), 0, 0.02);
    expect(await metrics.registry.metrics()).toBe(await metrics.registry.metrics());
  });

  test('sort durations into buckets that add up', async () => {
    const metrics = create();
    metrics.callStarted(callOf(path));
    for (const seconds of [0.001, 0.02, 0.02, 2000]) metrics.callEnded(callOf(path), 0, seconds);
    const name = 'grpc_server_handling_seconds';
    const buckets = await read(metrics, `${name}_bucket`);
    const counts = buckets.map((line) => /le="([^"]+)".*} (\d+)$/.exec(line)?.slice(1));
    expect(counts).toEqual(
      ['0.001 1', '0.005 1', '0.025 3', '0.1 3', '0.5 3', '1 3', '10 3', '30 3', '60 3']
        .concat(['300 3', '1500 3', '+Inf 4'])
        .map((text) => text.split(' ')),
    );
    expect(await read(metrics, `${name}_count`)).toEqual([expect.stringMatching(/ 4$/)]);
    expect(await read(metrics, `${name}_sum`)).toEqual([expect.stringMatching(/ 2000\.04/)]);
    expect(await metrics.registry.metrics()).toContain(`# TYPE ${name} histogram`);
  });

  test('take all methods that nobody knows for one', async () => {
    const metrics = create();
    metrics.addLocalMethods(['/grpc.health.v1.Health/Check']);
    for (const unknown of ['/a.B/C', '/a.B/D', '/gitaly.New/Method', 'nonsense', '']) {
      metrics.callStarted(callOf(unknown));
    }
    metrics.callStarted(callOf('/grpc.health.v1.Health/Check'));
    expect(await read(metrics, 'grpc_server_started_total')).toEqual([
      '{grpc_service="grpc.health.v1.Health",grpc_method="Check"} 1',
      '{grpc_service="unknown",grpc_method="unknown"} 5',
    ]);
  });

  test('tell who called, and why with a time limit', async () => {
    const metrics = create();
    const call = callOf(path, {
      'x-gitlab-client-name': 'gitlab-sidekiq',
      call_site: 'rails',
      'grpc-timeout': '5S',
      deadline_type: 'regular',
    });
    call.trace.isAuthenticated = true;
    metrics.callStarted(call);
    metrics.callEnded(call, 0, 1);
    const [line] = await read(metrics, 'gitaly_service_client_requests_total');
    expect(line).toBe(
      '{grpc_service="gitaly.CommitService",grpc_method="FindCommit",client_name="gitlab-sidekiq",' +
        'call_site="rails",grpc_code="OK",deadline_type="regular",auth_version="v2",' +
        'method_operation="accessor",method_scope="repository"} 1',
    );
  });

  test('stay bounded, whatever names clients make up', async () => {
    const metrics = create();
    for (let index = 0; index < 6000; index++) {
      const call = callOf(path, { call_site: `${index}`, deadline_type: `${index}` });
      metrics.callStarted(call);
      metrics.callEnded(call, 0, 1);
    }
    const lines = await read(metrics, 'gitaly_service_client_requests_total');
    expect(lines).toHaveLength(5001);
    expect(lines.at(-1)).toMatch(/client_name="other",call_site="other".* 1000$/);
  });

  test('take a status that gRPC does not have for Unknown', async () => {
    const metrics = create();
    metrics.callStarted(callOf(path));
    metrics.callEnded(callOf(path), 99, 1);
    const [line] = await read(metrics, 'grpc_server_handled_total');
    expect(line).toContain('grpc_code="Unknown"');
  });
});

describe('the metrics of writes and repairs', () => {
  test('have the names that Praefect gives them', async () => {
    const metrics = create();
    metrics.writeStarted('default', 3);
    metrics.voteCast();
    metrics.voteAnswered('committed', 0.01);
    metrics.writeEnded(2);
    metrics.replicaSettled('updated');
    metrics.replicaSettled('node-error-status');
    const name = 'gitaly_praefect_transactions_total';
    expect(await read(metrics, name)).toEqual([
      '{action="registered"} 3',
      '{action="started"} 1',
      '{action="committed"} 1',
    ]);
    expect(await read(metrics, 'gitaly_praefect_tx_replications_total')).toEqual([
      '{reason="updated"} 1',
      '{reason="node-error-status"} 1',
    ]);
    const voters = 'gitaly_praefect_voters_per_transaction_total_sum';
    expect(await read(metrics, voters)).toEqual(['{virtual_storage="default"} 3']);
  });

  test('count a repair while it lasts, and what came of it', async () => {
    const metrics = create();
    const ended = metrics.repairStarted('default', 'a');
    const jobs = () => read(metrics, 'gitaly_praefect_replication_jobs');
    const labels = '{virtual_storage="default",gitaly_storage="a",change_type="update"}';
    expect(await jobs()).toEqual([`${labels} 1`]);
    ended('inSync', 4);
    expect(await jobs()).toEqual([`${labels} 0`]);
    const latency = 'gitaly_praefect_replication_latency_sum';
    expect(await read(metrics, latency)).toEqual(['{type="update"} 4']);
  });
});

describe('the metrics of the database', () => {
  const policy = { replicationFactor: 3, minInSyncReplicas: 2 };
  const virtualStorage = new VirtualStorage('default', policy, []);
  virtualStorage.nodes = () => nodesOf(['a', 'b', 'c']);
  const storages = new StorageDirectory([virtualStorage]);
  const placed = (...inSync: boolean[]) => ({
    primary: 'a',
    replicas: inSync.map((isInSync, index) => ({
      storage: ['a', 'b', 'c'][index] ?? '',
      role: 'voter' as const,
      inSync: isInSync,
    })),
  });
  const summary: StoreSummary = {
    repositories: 10,
    fullyReplicated: 4,
    degraded: 3,
    atRisk: 2,
    unavailable: 1,
    storages: new Map([['a', { replicas: 9, inSync: 8, primaries: 7, moving: 0 }]]),
    placements: [
      { placement: placed(true, true, true), repositories: 4 },
      { placement: placed(true, true, false), repositories: 3 },
      { placement: placed(true, false, false), repositories: 2 },
      { placement: placed(true, false), repositories: 1 },
    ],
  };

  function start() {
    const clock = new ManualClock();
    const asked: unknown[] = [];
    let isAway = false;
    const summarize = async (query: unknown) => {
      asked.push(query);
      if (isAway) throw new Error('the database is away');
      return summary;
    };
    const verifications = {
      countDue: async () => ({ unverified: 6, expired: 7 }),
      countFindings: async () => 5,
    };
    const store = { summarize, verifications };
    const metrics = new DatabaseMetrics({ store, storages, clock, verificationIntervalMs: 1 });
    return { clock, asked, metrics, setAway: (away: boolean) => void (isAway = away) };
  }

  test('count the repairs that are due by how urgent they are', async () => {
    const { metrics } = start();
    expect(await read(metrics, 'gitaly_proxy_repairs_due')).toEqual([
      '{virtual_storage="default",priority="refuses_writes"} 3',
      '{virtual_storage="default",priority="behind"} 3',
      '{virtual_storage="default",priority="missing"} 0',
      '{virtual_storage="default",priority="surplus"} 0',
    ]);
  });

  test('count repositories by how safe they are', async () => {
    const { metrics } = start();
    const name = 'gitaly_praefect_unavailable_repositories';
    expect(await read(metrics, name)).toEqual(['{virtual_storage="default"} 1']);
    expect(await read(metrics, 'gitaly_proxy_repositories')).toContain(
      '{virtual_storage="default",state="degraded"} 3',
    );
    expect(await read(metrics, 'gitaly_proxy_replicas')).toContain(
      '{virtual_storage="default",storage="a",state="in_sync"} 8',
    );
    expect(await read(metrics, 'gitaly_proxy_undecided_repositories')).toEqual([
      '{virtual_storage="default"} 5',
    ]);
    expect(await read(metrics, 'gitaly_proxy_unverified_repositories')).toEqual([
      '{virtual_storage="default",state="unverified"} 6',
      '{virtual_storage="default",state="expired"} 7',
    ]);
  });

  test('ask the database once in 15 s, however often they are asked for', async () => {
    const { metrics, asked, clock } = start();
    await metrics.registry.metrics();
    await metrics.registry.metrics();
    expect(asked).toHaveLength(1);
    await clock.advance(15_000);
    await metrics.registry.metrics();
    expect(asked).toHaveLength(2);
  });

  test('are not there while the database is away, and are again when it is back', async () => {
    const { metrics, setAway } = start();
    setAway(true);
    await expect(metrics.registry.metrics()).rejects.toThrow('away');
    setAway(false);
    await expect(metrics.registry.metrics()).resolves.toContain('gitaly_proxy_repositories');
  });
});
