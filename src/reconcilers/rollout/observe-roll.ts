import type { Pod, StatefulSet } from '../../api/kubernetes.ts';
import type { EffectiveVirtualStorage } from '../../api/effective-spec.ts';
import { storagesOf, type ClusterContext } from '../cluster-context.ts';
import {
  byName,
  storageSetOf,
  type ApplyOutcome,
  type ObservedCluster,
} from '../observed-cluster.ts';
import { proxyPart } from '../proxy-objects.ts';
import { reportOf, type ProxyReport } from '../proxy-report.ts';
import {
  isPodFailing,
  isPodReady,
  isPodRunning,
  podProblem,
  readinessSinceMs,
} from '../status/pod-state.ts';
import { podsOf } from '../status/pods-of.ts';
import type { LeavingNodes } from '../leaving-nodes.ts';
import type { ActiveMaintenance } from './maintenance-request.ts';
import { evictionOf } from './eviction-marks.ts';
import type { StartupLog } from './startup-log.ts';
import { outdatedReasons, type OutdatedReason } from './outdated-reasons.ts';
import type {
  ObservedPlacements,
  ObservedPod,
  ObservedProxies,
  ObservedVirtualStorage,
  PodReadiness,
  RollObservation,
} from './roll-observation.ts';

/** What the roll of a cluster is decided from. */
export interface RollInput {
  readonly context: ClusterContext;
  readonly observed: Pick<
    ObservedCluster,
    'pods' | 'statefulSets' | 'leavingNodes' | 'maintenance' | 'report'
  >;
  readonly outcome: ApplyOutcome;
  /** What the logs of new pods say, by their UIDs, as far as they were read. */
  readonly startupLogs?: ReadonlyMap<string, StartupLog> | undefined;
  /** Where repositories are, if that was asked: see RollPlan.needsPlacements. */
  readonly placements?: ObservedPlacements | undefined;
  /** Milliseconds since 1970-01-01 UTC. */
  readonly nowMs: number;
}

/** What is observed, in the terms of the roll. */
export function observeRoll(input: RollInput): RollObservation {
  const { context, observed, outcome, nowMs } = input;
  const { paused, drainDeadlineSeconds, readyDeadlineSeconds, startupErrors } = context.spec.update;
  const { groupSize, maxUnavailable } = observed.maintenance ?? context.spec.update;
  return {
    nowMs,
    policy: {
      paused,
      drainDeadlineMs: drainDeadlineSeconds * 1000,
      readyDeadlineMs: readyDeadlineSeconds * 1000,
      checksStartup: startupErrors === 'Halt',
    },
    group: { size: groupSize, maxUnavailable },
    isApplied: outcome.kind === 'applied',
    proxies: observedProxies(context, observed),
    virtualStorages: context.spec.virtualStorages.map((virtualStorage) =>
      observedVirtualStorage(input, virtualStorage),
    ),
    placements: input.placements,
  };
}

function observedProxies(
  context: ClusterContext,
  { pods, report }: RollInput['observed'],
): ObservedProxies {
  if (report.kind === 'silent') return { kind: 'silent', message: report.message };
  if (!report.storeReachable) return { kind: 'storeUnreachable' };
  const away = podsOf(context, pods, proxyPart)
    .filter((pod) => isPodReady(pod) && !report.inTouch.includes(pod.metadata.name))
    .map(({ metadata }) => metadata.name);
  return { kind: 'answered', away };
}

function observedVirtualStorage(
  { context, observed, startupLogs }: RollInput,
  virtualStorage: EffectiveVirtualStorage,
): ObservedVirtualStorage {
  const { name } = virtualStorage;
  const report = reportOf(observed.report, name);
  const set = storageSetOf(context.name, name, observed.statefulSets);
  const { degraded = 0, atRisk = 0, unavailable = 0 } = report ?? {};
  return {
    name,
    short: degraded + atRisk + unavailable,
    refusing: atRisk + unavailable,
    minAvailableReplicas:
      context.spec.update.minAvailableReplicas ?? virtualStorage.minInSyncReplicas,
    storages: storagesOf(context, virtualStorage).map((storage) => ({
      name: storage.name,
      pod: observedPod(byName(observed.pods, storage.name), {
        set,
        leavingNodes: observed.leavingNodes,
        maintenance: observed.maintenance,
        startupLogs,
      }),
      report: isCurrent(observed.report)
        ? report?.storages.find((one) => one.name === storage.name)
        : undefined,
    })),
  };
}

/** What a proxy without its database says may be long gone. */
function isCurrent(report: ProxyReport): boolean {
  return report.kind === 'answered' && report.storeReachable;
}

/** What the pod of a storage is looked at with. */
interface PodSurroundings extends Pick<RollInput, 'startupLogs'> {
  readonly set: StatefulSet | undefined;
  readonly leavingNodes: LeavingNodes;
  readonly maintenance: ActiveMaintenance | undefined;
}

function observedPod(pod: Pod | undefined, around: PodSurroundings): ObservedPod {
  if (!pod) return { kind: 'absent' };
  const { uid, deletionTimestamp } = pod.metadata;
  if (deletionTimestamp !== undefined || uid === undefined) return { kind: 'stopping' };
  const { nodeName = '' } = pod.spec;
  const leaving = around.leavingNodes.get(nodeName);
  const maintenance =
    leaving === undefined ? around.maintenance?.nodesToClear.get(nodeName) : undefined;
  const node: readonly OutdatedReason[] = [
    ...(leaving === undefined ? [] : ['node' as const]),
    ...(maintenance === undefined ? [] : ['maintenance' as const]),
  ];
  return {
    kind: 'present',
    uid,
    outdated: outdatedReasons(pod, around.set)?.concat(node),
    leaving: leaving ?? maintenance?.reason,
    maintenance,
    eviction: evictionOf(pod),
    startup: around.startupLogs?.get(uid),
    readiness: readinessOf(pod, around.maintenance),
  };
}

function readinessOf(pod: Pod, maintenance: ActiveMaintenance | undefined): PodReadiness {
  if (isPodReady(pod)) return { kind: 'ready' };
  const message = podProblem(pod) ?? 'the pod is not ready';
  const sinceMs = readinessSinceMs(pod);
  const isFailing = isPodFailing(pod);
  const isRunning = isPodRunning(pod);
  const { name } = pod.metadata;
  if (!maintenance?.awaiting.has(name)) {
    return { kind: 'notReady', message, sinceMs, isFailing, isRunning };
  }
  // Its time to become ready begins when its node is up.
  const upMs = maintenance.awaiting.get(name);
  const isBound = pod.spec.nodeName !== undefined;
  const fromMs = upMs === undefined && !isBound ? undefined : Math.max(sinceMs ?? 0, upMs ?? 0);
  return { kind: 'notReady', message, sinceMs: fromMs, isFailing, isRunning };
}
