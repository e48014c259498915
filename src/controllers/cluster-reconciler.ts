import { createHash } from 'node:crypto';

import type { Clock } from '../base/clock.ts';
import { errorMessage } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { effectiveSpec, type SpecDefaults } from '../api/effective-spec.ts';
import type { Pod } from '../api/kubernetes.ts';
import { kubeTime } from '../api/kube-time.ts';
import type { GitalyCluster, GitalyClusterStatus } from '../api/generated/gitaly-cluster.ts';
import type { GitalyMaintenanceStatus } from '../api/generated/gitaly-maintenance.ts';
import type { Reconcile, ReconcileResult } from '../kube/controller-loop.ts';
import type { EventRecorder } from '../kube/event-recorder.ts';
import type { KubeClient } from '../kube/kube-client.ts';
import { KubeError } from '../kube/kube-error.ts';
import type { StatusWriter } from '../kube/status-writer.ts';
import type { ClusterContext } from '../reconcilers/cluster-context.ts';
import { desiredObjects } from '../reconcilers/desired-objects.ts';
import {
  byName,
  type ApplyOutcome,
  type ObservedCluster,
} from '../reconcilers/observed-cluster.ts';
import {
  leavingNodes,
  type LeavingNodes,
  type NodeWatching,
} from '../reconcilers/leaving-nodes.ts';
import { activeMaintenance } from '../reconcilers/maintenance/active-maintenance.ts';
import type { MaintenanceView } from '../reconcilers/maintenance/chosen-maintenance.ts';
import { isMarkOf, markOfNode } from '../reconcilers/maintenance/node-mark.ts';
import { refreshIntervalMs } from '../reconcilers/refresh-interval.ts';
import { databaseEviction } from '../reconcilers/rollout/database-eviction.ts';
import { observeRoll } from '../reconcilers/rollout/observe-roll.ts';
import type { RollObservation } from '../reconcilers/rollout/roll-observation.ts';
import { planRoll, type RollPlan } from '../reconcilers/rollout/roll-plan.ts';
import { needsStartupLog } from '../reconcilers/rollout/storage-state.ts';
import {
  clusterStatus,
  invalidStatus,
  wasInService,
} from '../reconcilers/status/cluster-status.ts';
import { conditionEvents } from '../reconcilers/status/condition-events.ts';
import { upgradePathProblem } from '../reconcilers/upgrade-path.ts';
import { zoneChanges } from '../reconcilers/zone-changes.ts';
import type { ClusterCaches } from './cluster-caches.ts';
import { parseKey } from './cluster-key.ts';
import { referenceTo } from './object-reference.ts';
import type { ClusterSecrets } from './cluster-secrets.ts';
import { Maintenances } from './maintenances.ts';
import type { ObjectApplier } from './object-applier.ts';
import { PacedPlacements } from './paced-placements.ts';
import type { PlacementSource } from './placement-source.ts';
import type { ProxyDrains } from './proxy-drains.ts';
import type { ProxyStatusSource } from './proxy-status-source.ts';
import type { ProxyZones } from './proxy-zones.ts';
import { reachProxies, type ReachedProxies } from './reach-proxies.ts';
import { executeRoll } from './roll-executor.ts';
import { ScaleDowns } from './scale-downs.ts';
import { StartupLogs } from './startup-logs.ts';

/** What reconciling a cluster needs. */
export interface ClusterReconcilerOptions {
  readonly caches: Pick<
    ClusterCaches,
    'cluster' | 'clusters' | 'objectsOf' | 'nodes' | 'maintenances' | 'maintenancesOf'
  >;
  readonly applier: ObjectApplier;
  readonly client: Pick<KubeClient, 'delete' | 'merge' | 'podLog'>;
  readonly secrets: ClusterSecrets;
  readonly proxies: ProxyStatusSource;
  readonly placements: PlacementSource;
  readonly drains: ProxyDrains;
  readonly zones: ProxyZones;
  readonly statuses: StatusWriter<GitalyClusterStatus>;
  readonly maintenanceStatuses: StatusWriter<GitalyMaintenanceStatus>;
  readonly events: EventRecorder;
  readonly clock: Clock;
  readonly defaults: SpecDefaults;
  readonly nodes: NodeWatching;
}

/**
 * Brings one cluster to what its spec says, and its status to what is.
 *
 * 1. The cluster is gone: forget it. Kubernetes deletes what it owns.
 * 2. Fill in the defaults, and the storages that are there and not asked for any more. The spec is invalid all the
 *    same: say so, and change nothing.
 * 3. Paused or being deleted: only 6 and 7.
 * 4. Generate the Secrets that are missing, and look for those that the spec names.
 * 5. Apply every object, in order; stop at the first that is refused.
 * 6. Ask the proxies, and judge what is observed; before several storages go, also where the repositories are, and
 *    before clients come back to a new pod, also what that has logged.
 * 7. Write the status if it changed, and an event for each condition that did; and what became of the nodes of
 *    maintenances.
 * 8. Take the next step of the roll, and what it takes to clear nodes, if there is one: see RollPlan. Give nodes back
 *    that were maintained.
 * 9. Tell the proxies in which zones storages are, where they do not know.
 * 10. Look again in a few seconds, as the proxies are asked and not watched.
 */
export function clusterReconciler(options: ClusterReconcilerOptions): Reconcile {
  const { caches, clock, statuses } = options;
  const placements = new PacedPlacements({ source: options.placements, clock });
  const scaleDowns = new ScaleDowns();
  const startupLogs = new StartupLogs(options);
  const maintenances = new Maintenances(options);

  async function reconcile(
    key: string,
    { logger }: Parameters<Reconcile>[1],
  ): Promise<ReconcileResult> {
    const name = parseKey(key);
    const cached = caches.cluster(name);
    if (!cached) {
      options.applier.forget(name);
      placements.forget(name);
      scaleDowns.forget(name);
      startupLogs.forget(name);
      await maintenances.forget(name, logger);
      statuses.keepOnly(caches.clusters());
      return { kind: 'done' };
    }
    const status = statuses.latest(cached);
    const resource = status ? { ...cached, status } : cached;
    const context = contextOf(options, resource, scaleDowns);
    if (context.kind === 'invalid') {
      const invalid = invalidStatus(resource, context.message, kubeTime(clock.wallMs()));
      await writeStatus(options, cached, invalid);
      return { kind: 'done' };
    }
    const outcome = await act(options, resource, context.context);
    const { before, observed, leaving, maintenance, proxies, roll, nowMs } = await plan({
      options,
      maintenances,
      placements,
      startupLogs,
      context: context.context,
      outcome,
    });
    const next = clusterStatus(
      {
        resource,
        context: context.context,
        observed,
        outcome,
        roll,
        scaleDowns: scaleDowns.note(context.context, { ...before, report: observed.report }),
      },
      kubeTime(nowMs),
    );
    await writeStatus(options, cached, next);
    await maintenances.record(maintenance, roll);
    if (outcome.kind === 'applied' || outcome.kind === 'failed') {
      const { grace } = context.context.spec.update;
      await executeRoll(options, {
        cluster: cached,
        actions: [
          ...roll.actions,
          ...databaseEviction(context.context, { pods: observed.pods, leavingNodes: leaving }),
        ],
        grace,
        proxies,
        logger,
      });
      await maintenances.giveBack(name, logger);
      await tellZones(options, context.context, { observed, proxies }, logger);
    }
    return { kind: 'again', afterMs: refreshIntervalMs(next) };
  }

  return reconcile;
}

type ContextOutcome =
  | { readonly kind: 'valid'; readonly context: ClusterContext }
  | { readonly kind: 'invalid'; readonly message: string };

function contextOf(
  { caches, defaults, nodes }: ClusterReconcilerOptions,
  resource: GitalyCluster,
  scaleDowns: ScaleDowns,
): ContextOutcome {
  const { name, namespace = '', uid = '' } = resource.metadata;
  try {
    const cluster = { name, namespace };
    const { statefulSets } = caches.objectsOf(cluster);
    const spec = scaleDowns.complete(cluster, effectiveSpec(resource, defaults), statefulSets);
    const watchesNodes = nodes.areWatched;
    return { kind: 'valid', context: { name, namespace, uid, spec, watchesNodes, digest } };
  } catch (thrown) {
    return { kind: 'invalid', message: errorMessage(thrown) };
  }
}

async function act(
  options: ClusterReconcilerOptions,
  resource: GitalyCluster,
  context: ClusterContext,
): Promise<ApplyOutcome> {
  if (resource.metadata.deletionTimestamp !== undefined) return { kind: 'deleting' };
  if (context.spec.paused) return { kind: 'paused' };
  try {
    return await applyAll(options, resource, context);
  } catch (thrown) {
    if (!isRefusal(thrown)) throw thrown;
    return { kind: 'failed', reason: 'ApplyFailed', message: thrown.message };
  }
}

/**
 * Whether the API server will say the same again until a person acts: it is about the spec or about
 * rights, and belongs into the status. Everything else passes, and is tried again soon.
 */
function isRefusal(thrown: unknown): thrown is KubeError {
  if (!(thrown instanceof KubeError)) return false;
  return thrown.code < 500 && ![408, 409, 429].includes(thrown.code);
}

async function applyAll(
  { applier, caches, secrets }: ClusterReconcilerOptions,
  { status }: GitalyCluster,
  context: ClusterContext,
): Promise<ApplyOutcome> {
  const observed = caches.objectsOf(context);
  const skipped = upgradePathProblem(context, observed.pods);
  if (skipped !== undefined) return { kind: 'failed', reason: 'VersionSkipped', message: skipped };
  const generated = await secrets.ensureGenerated(context, {
    claims: observed.claims,
    wasInService: wasInService(status ?? {}),
  });
  const token = generated.kind === 'refused' ? generated : generated.gitalyToken;
  if (token.kind !== 'known') {
    return { kind: 'failed', reason: 'SecretInvalid', message: token.message };
  }
  const tlsProblem = await secrets.tlsProblem(context);
  if (tlsProblem !== undefined) {
    return { kind: 'failed', reason: 'SecretInvalid', message: tlsProblem };
  }
  for (const object of desiredObjects({ context, observed, gitalyToken: token.text })) {
    const result = await applier.apply(context, object);
    if (result.kind === 'foreign') {
      return { kind: 'failed', reason: 'NameTaken', message: result.message };
    }
  }
  return { kind: 'applied' };
}

interface Look {
  /** What there was when the proxies were asked. */
  readonly before: ReturnType<ClusterCaches['objectsOf']>;
  readonly observed: ObservedCluster;
  /** Also the nodes that the operator has cordoned itself: what is left on them is for whoever boots them. */
  readonly leaving: LeavingNodes;
  readonly maintenance: MaintenanceView;
  readonly proxies: ReachedProxies;
  readonly nowMs: number;
}

interface PlanInput {
  readonly options: ClusterReconcilerOptions;
  readonly maintenances: Maintenances;
  readonly placements: PacedPlacements;
  readonly startupLogs: StartupLogs;
  readonly context: ClusterContext;
  readonly outcome: ApplyOutcome;
}

/**
 * Looks and plans. Only if the plan needs it, reads what new pods have logged; and finds out where the repositories are,
 * and looks once more after that.
 */
async function plan({
  options,
  maintenances,
  placements,
  startupLogs: logs,
  context,
  outcome,
}: PlanInput): Promise<Look & { readonly roll: RollPlan }> {
  const first = await look(options, context, maintenances);
  const unread = observeRoll({ ...first, context, outcome });
  const startupLogs = await logs.of(context, uncheckedPods(unread, first.observed));
  const roll = planRoll(observeRoll({ ...first, context, outcome, startupLogs }));
  const { endpoints, token } = first.proxies;
  if (!roll.needsPlacements || token === undefined) return { ...first, roll };
  const found = await placements.list(context, endpoints, token, roll.storages);
  if (!found) return { ...first, roll };
  // That took its time, in which storages may have died.
  const last = await look(options, context, maintenances);
  const all = { ...last, context, outcome, startupLogs, placements: found };
  return { ...last, roll: planRoll(observeRoll(all)) };
}

function uncheckedPods(
  { policy, virtualStorages }: RollObservation,
  { pods }: ObservedCluster,
): readonly Pod[] {
  if (!policy.checksStartup) return [];
  return virtualStorages
    .flatMap(({ storages }) => storages)
    .filter(needsStartupLog)
    .flatMap(({ name }) => byName(pods, name) ?? []);
}

async function look(
  options: ClusterReconcilerOptions,
  context: ClusterContext,
  maintenances: Maintenances,
): Promise<Look> {
  const { caches, clock, secrets } = options;
  const before = caches.objectsOf(context);
  const [databaseSecret, proxies] = await Promise.all([
    secrets.databaseSecret(context),
    reachProxies(options, context, before.pods),
  ]);
  // Looked at after the proxies have answered, so that pods are no older than what is said of them.
  const objects = caches.objectsOf(context);
  const maintenance = maintenances.view(context, objects.pods);
  const nodes = caches.nodes();
  const leaving = leavingNodes(nodes, options.nodes.ownTaints);
  const othersLeaving = new Map(leaving);
  for (const node of nodes) {
    if (isMarkOf(markOfNode(node), context)) othersLeaving.delete(node.metadata.name);
  }
  const observed = {
    ...objects,
    databaseSecret,
    leavingNodes: othersLeaving,
    maintenance: activeMaintenance(maintenance),
    report: proxies.report,
  };
  return { before, observed, leaving, maintenance, proxies, nowMs: clock.wallMs() };
}

/** What cannot be told now is told with the next look. */
async function tellZones(
  { caches, zones }: ClusterReconcilerOptions,
  context: ClusterContext,
  { observed, proxies: { endpoints, token } }: Pick<Look, 'observed' | 'proxies'>,
  logger: Logger,
): Promise<void> {
  if (token === undefined) return;
  for (const change of zoneChanges(context, observed, caches.nodes())) {
    const answer = await zones.tell(endpoints, token, change);
    if (answer.kind === 'failed') {
      logger.warn({ ...change, err: answer.message }, 'the proxies cannot be told of a zone');
      return;
    }
    logger.info(change, 'the proxies know in which zone a storage is');
  }
}

async function writeStatus(
  { statuses, events }: ClusterReconcilerOptions,
  resource: GitalyCluster,
  status: GitalyClusterStatus,
): Promise<void> {
  const news = conditionEvents(statuses.latest(resource), status);
  await statuses.write(resource, status);
  for (const text of news) {
    await events.record(referenceTo(resource), { ...text, action: 'Observe' });
  }
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}
