import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import { Scope, type Stoppable } from '../base/scope.ts';
import type { SpecDefaults } from '../api/effective-spec.ts';
import type { GitalyCluster } from '../api/generated/gitaly-cluster.ts';
import { startControllerLoop, type ReconcileObserver } from '../kube/controller-loop.ts';
import type { EventRecorder } from '../kube/event-recorder.ts';
import type { KubeClient } from '../kube/kube-client.ts';
import { StatusWriter } from '../kube/status-writer.ts';
import type { NodeWatching } from '../reconcilers/leaving-nodes.ts';
import { WorkQueue } from '../kube/work-queue.ts';
import { startClusterCaches } from './cluster-caches.ts';
import { keyOf } from './cluster-key.ts';
import { clusterReconciler } from './cluster-reconciler.ts';
import { ClusterSecrets } from './cluster-secrets.ts';
import { ObjectApplier } from './object-applier.ts';
import type { PlacementSource } from './placement-source.ts';
import type { ProxyDrains } from './proxy-drains.ts';
import type { ProxyZones } from './proxy-zones.ts';
import type { ProxyStatusSource } from './proxy-status-source.ts';

/** What the controller of all clusters needs. */
export interface ClusterControllerOptions {
  readonly client: KubeClient;
  readonly proxies: ProxyStatusSource;
  readonly placements: PlacementSource;
  readonly drains: ProxyDrains;
  readonly zones: ProxyZones;
  readonly events: EventRecorder;
  readonly observer: ReconcileObserver;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Which namespaces to look after; empty: all. */
  readonly namespaces: readonly string[];
  readonly defaults: SpecDefaults;
  readonly nodes: NodeWatching;
}

/** The controller of all clusters. */
export interface ClusterController extends Stoppable {
  /** Starts to act. Before, it only watches, so that a new leader need not list first. */
  lead(): void;
  /** How long the API server was not heard of by some watch. */
  silentMs(): number;
  /** Figures for metrics. */
  readonly queueDepth: number;
  readonly watchFailures: number;
  /** Every cluster, as last seen. */
  clusters(): GitalyCluster[];
  /** Whether every kind was listed once. */
  readonly isSynced: boolean;
}

/** Starts to watch; acts on nothing until {@link ClusterController.lead}. */
export function startClusterController(options: ClusterControllerOptions): ClusterController {
  const { client, clock, random, logger } = options;
  const scope = new Scope();
  const queue = new WorkQueue({ clock, random });
  const caches = scope.own(
    startClusterCaches({ ...options, onChange: (cluster) => queue.add(keyOf(cluster)) }),
  );
  let synced = false;
  let leading = false;
  let stopped = false;

  const reconcile = clusterReconciler({
    ...options,
    caches,
    applier: new ObjectApplier({ client, clock, watched: (object) => caches.find(object) }),
    secrets: new ClusterSecrets(client),
    statuses: new StatusWriter(client),
    maintenanceStatuses: new StatusWriter(client),
  });

  function actIfReady(): void {
    if (!synced || !leading || stopped) return;
    logger.info({ clusters: caches.clusters().length }, 'the controller acts');
    scope.own(startControllerLoop({ ...options, queue, reconcile }));
  }

  async function noteSynced(): Promise<void> {
    await caches.synced;
    synced = true;
    actIfReady();
  }

  void noteSynced();
  return {
    lead() {
      if (leading) return;
      leading = true;
      actIfReady();
    },
    silentMs: () => caches.silentMs(),
    get queueDepth() {
      return queue.depth;
    },
    get watchFailures() {
      return caches.failures();
    },
    clusters: () => caches.clusters(),
    get isSynced() {
      return synced;
    },
    stop() {
      stopped = true;
      return scope.stop();
    },
  };
}
