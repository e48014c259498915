import type { JudgedStorage } from './judged-storage.ts';
import type { Placements } from './placements.ts';
import { planGroup } from './plan-group.ts';
import { isBeingReplaced } from './roll-progress.ts';
import type { RollView } from './roll-view.ts';
import type { RolloutStorage } from './rollout-storage.ts';
import { drainRequester, isUsable, isWhole } from './storage-state.ts';
import { describeWaiting } from './waiting-reason.ts';

/** Which of some storages may go together, and why the others wait. */
export interface Together {
  readonly group: readonly JudgedStorage[];
  /** By name, for a person. */
  readonly waits: ReadonlyMap<string, string>;
}

/** What may go together, and how many at most. */
export interface TogetherRequest {
  /** Those that should go and serve, the preferred first. */
  readonly candidates: readonly JudgedStorage[];
  readonly placements: Placements;
  readonly groupSize: number;
}

/**
 * Asks the planner of groups. A storage is disrupted if no client can count on it, or if somebody else drains it. A
 * candidate is not: were it taken for gone already, the planner would not ask who needs it. So one that is
 * not healthy is none: it waits, as it may be back in a moment.
 */
export function together(view: RollView, request: TogetherRequest): Together {
  const wanted = new Set(request.candidates.filter(({ report }) => isUsable(report)));
  const storages = view.storages.map((judged) => rolloutStorage(judged, wanted.has(judged)));
  const { group, waiting } = planGroup({
    storages,
    candidates: request.candidates.flatMap((one) =>
      wanted.has(one) ? (storages[view.storages.indexOf(one)] ?? []) : [],
    ),
    placements: request.placements,
    limits: {
      minAvailableReplicas: new Map(
        view.observation.virtualStorages.map((one) => [one.name, one.minAvailableReplicas]),
      ),
      groupSize: request.groupSize,
      maxUnavailable: view.observation.group.maxUnavailable,
    },
  });
  const unhealthy = request.candidates.filter((one) => !wanted.has(one));
  return {
    group: group.map(({ judged }) => judged),
    waits: new Map([
      ...waiting.map(({ storage, reason }) => [storage.name, describeWaiting(reason)] as const),
      ...unhealthy.map(
        ({ name, report }) => [name, `it is not healthy: ${report?.healthReason}`] as const,
      ),
    ]),
  };
}

interface JudgedRolloutStorage extends RolloutStorage {
  readonly judged: JudgedStorage;
}

function rolloutStorage(judged: JudgedStorage, isCandidate: boolean): JudgedRolloutStorage {
  const { virtualStorage, name, report } = judged;
  const primaries = report?.primaries ?? 0;
  const disrupted = !isCandidate && isDisrupted(judged);
  return { virtualStorage, name, zone: report?.zone, primaries, disrupted, judged };
}

function isDisrupted(storage: JudgedStorage): boolean {
  const { pod, report } = storage;
  if (pod.kind !== 'present' || pod.readiness.kind !== 'ready' || !isUsable(report)) return true;
  if (isBeingReplaced(storage) && !isWhole(report)) return true;
  return report?.drain?.requesters.some(({ requester }) => requester !== drainRequester) ?? false;
}
