import type { Clock } from '../base/clock.ts';
import { errorMessage } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type {
  GitalyMaintenance,
  GitalyMaintenanceStatus,
} from '../api/generated/gitaly-maintenance.ts';
import type { Pod } from '../api/kubernetes.ts';
import type { EventRecorder } from '../kube/event-recorder.ts';
import type { KubeClient } from '../kube/kube-client.ts';
import { isKubeError } from '../kube/kube-error.ts';
import { resourceTypes, type ObjectName } from '../kube/resource-types.ts';
import type { StatusWriter } from '../kube/status-writer.ts';
import type { ClusterContext } from '../reconcilers/cluster-context.ts';
import type { NodeWatching } from '../reconcilers/leaving-nodes.ts';
import type { MaintenanceView } from '../reconcilers/maintenance/chosen-maintenance.ts';
import { maintenanceEvents } from '../reconcilers/maintenance/maintenance-events.ts';
import { maintenanceNodes } from '../reconcilers/maintenance/maintenance-node.ts';
import { maintenanceStatuses } from '../reconcilers/maintenance/maintenance-status.ts';
import { markOfNode, uncordonPatch } from '../reconcilers/maintenance/node-mark.ts';
import { nodesToUncordon } from '../reconcilers/maintenance/nodes-to-uncordon.ts';
import type { RollPlan } from '../reconcilers/rollout/roll-plan.ts';
import type { ClusterCaches } from './cluster-caches.ts';
import { referenceTo } from './object-reference.ts';

export interface MaintenancesOptions {
  readonly caches: Pick<ClusterCaches, 'maintenances' | 'maintenancesOf' | 'nodes'>;
  readonly client: Pick<KubeClient, 'merge'>;
  readonly maintenanceStatuses: StatusWriter<GitalyMaintenanceStatus>;
  readonly events: EventRecorder;
  readonly clock: Clock;
  readonly nodes: NodeWatching;
}

/** What is done with maintenances beside the roll of their cluster: their records, and nodes that are given back. */
export class Maintenances {
  readonly #options: MaintenancesOptions;

  constructor(options: MaintenancesOptions) {
    this.#options = options;
  }

  /** What is known of those of a cluster, by what is cached now. */
  view(context: ClusterContext, pods: readonly Pod[]): MaintenanceView {
    const { caches, clock, nodes } = this.#options;
    const maintenances = this.#latest(context);
    return {
      maintenances,
      // Nobody else asks for nodes, of which there may be thousands, and a look comes every few seconds.
      nodes: maintenanceNodes(context, {
        nodes: maintenances.length === 0 ? [] : caches.nodes(),
        pods,
      }),
      mayCordon: nodes.mayCordon,
      nowMs: clock.wallMs(),
    };
  }

  /**
   * Writes what became of the nodes, before the roll acts: a boot is only told from what was written before. Rejects if
   * it cannot be written.
   */
  async record(view: MaintenanceView, roll: RollPlan): Promise<void> {
    const { maintenanceStatuses: statuses, events } = this.#options;
    for (const [maintenance, status] of maintenanceStatuses({ ...view, roll })) {
      const before = maintenance.status;
      await statuses.write(maintenance, status);
      for (const text of maintenanceEvents(before, status)) {
        await events.record(referenceTo(maintenance), { ...text, action: 'Maintain' });
      }
    }
  }

  /** Uncordons the nodes that no maintenance of the cluster holds any more. What fails is tried with the next look. */
  async giveBack(cluster: ObjectName, logger: Logger): Promise<void> {
    await this.#uncordon(cluster, this.#latest(cluster), logger);
  }

  /** The cluster is gone: its nodes are given back, and its maintenances say why they do not go on. */
  async forget(cluster: ObjectName, logger: Logger): Promise<void> {
    const { caches, maintenanceStatuses: statuses } = this.#options;
    statuses.keepOnly(caches.maintenances());
    await this.#uncordon(cluster, [], logger);
    for (const maintenance of this.#latest(cluster)) {
      const { status = {} } = maintenance;
      if (status.phase === 'Completed') continue;
      const message = `there is no GitalyCluster ${cluster.name} in this namespace`;
      await statuses.write(maintenance, { ...status, phase: 'Pending', message });
    }
  }

  async #uncordon(
    cluster: ObjectName,
    maintenances: readonly GitalyMaintenance[],
    logger: Logger,
  ): Promise<void> {
    const { caches, client } = this.#options;
    const nodes = caches.nodes().map((one) => ({ name: one.metadata.name, mark: markOfNode(one) }));
    for (const node of nodesToUncordon(cluster, nodes, maintenances)) {
      try {
        await client.merge(resourceTypes.node, { namespace: '', name: node }, uncordonPatch());
        logger.info({ node }, 'a node is uncordoned: no maintenance holds it any more');
      } catch (thrown) {
        if (isKubeError(thrown, 404)) continue;
        logger.warn({ node, err: errorMessage(thrown) }, 'a node cannot be uncordoned');
      }
    }
  }

  /** With the statuses that were written last, which the watch may not have shown yet. */
  #latest(cluster: ObjectName): readonly GitalyMaintenance[] {
    const { caches, maintenanceStatuses: statuses } = this.#options;
    return caches.maintenancesOf(cluster).map((one) => {
      const status = statuses.latest(one);
      return Object.assign({}, one, status && { status });
    });
  }
}
