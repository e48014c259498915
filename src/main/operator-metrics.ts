import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

import type { GitalyCluster } from '../api/generated/gitaly-cluster.ts';
import type { ReconcileObserver } from '../kube/controller-loop.ts';

/** What is read at each scrape. */
export interface ControllerFigures {
  readonly queueDepth: number;
  readonly watchFailures: number;
  silentMs(): number;
  clusters(): readonly GitalyCluster[];
}

/** The operator's metrics. */
export interface OperatorMetrics {
  readonly observer: ReconcileObserver;
  /** In the text format of Prometheus. */
  render(figures: ControllerFigures, isLeader: boolean): Promise<string>;
}

/** Metrics in a registry of their own. */
export function createOperatorMetrics(): OperatorMetrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const reconciles = new Counter({
    name: 'gitaly_operator_reconciles_total',
    help: 'Reconciles of clusters, by outcome.',
    labelNames: ['outcome'],
    registers,
  });
  const duration = new Histogram({
    name: 'gitaly_operator_reconcile_seconds',
    help: 'How long a reconcile took.',
    buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    registers,
  });
  const gauge = (name: string, help: string) => new Gauge({ name, help, registers });
  const leader = gauge('gitaly_operator_leader', '1 if this replica leads.');
  const depth = gauge('gitaly_operator_queue_depth', 'Clusters that wait to be reconciled.');
  const failures = gauge(
    'gitaly_operator_watch_failures',
    'How often a watch had to pause after a failure, since the start.',
  );
  const silence = gauge(
    'gitaly_operator_watch_silence_seconds',
    'For how long the quietest watch has heard nothing.',
  );
  const setClusters = clusterGauges(registers);
  return {
    observer: {
      reconciled(outcome, durationMs) {
        reconciles.inc({ outcome });
        duration.observe(durationMs / 1000);
      },
    },
    render(figures, isLeader) {
      leader.set(Number(isLeader));
      depth.set(figures.queueDepth);
      failures.set(figures.watchFailures);
      silence.set(figures.silentMs() / 1000);
      setClusters(figures.clusters());
      return registry.metrics();
    },
  };
}

/** The state of each cluster, so that alerts need no other exporter. */
function clusterGauges(registers: Registry[]): (clusters: readonly GitalyCluster[]) => void {
  const condition = new Gauge({
    name: 'gitaly_cluster_condition',
    help: 'A condition of a cluster: 1 true, 0 false, -1 unknown.',
    labelNames: ['namespace', 'cluster', 'type'],
    registers,
  });
  const repositories = new Gauge({
    name: 'gitaly_cluster_repositories',
    help: 'Repositories of a cluster, in all and those that are not fully replicated.',
    labelNames: ['namespace', 'cluster', 'state'],
    registers,
  });
  return (clusters) => {
    condition.reset();
    repositories.reset();
    for (const { metadata, status } of clusters) {
      const labels = { namespace: metadata.namespace ?? '', cluster: metadata.name };
      for (const { type, status: value } of status?.conditions ?? []) {
        condition.set({ ...labels, type }, conditionValue(value));
      }
      repositories.set({ ...labels, state: 'all' }, status?.repositories ?? 0);
      repositories.set({ ...labels, state: 'degraded' }, status?.degradedRepositories ?? 0);
    }
  };
}

function conditionValue(status: 'True' | 'False' | 'Unknown'): number {
  if (status === 'Unknown') return -1;
  return status === 'True' ? 1 : 0;
}
