import type { DrainReport, StorageReport } from '../../src/reconcilers/proxy-report.ts';
import type {
  ObservedPod,
  ObservedStorage,
  PodReadiness,
  RollObservation,
} from '../../src/reconcilers/rollout/roll-observation.ts';
import { drainRequester } from '../../src/reconcilers/rollout/storage-state.ts';

/** The time of every {@link rollObservation}. */
export const rollNowMs = 10_000_000;

/** The policy of every {@link rollObservation}. */
export const rollPolicy: RollObservation['policy'] = {
  paused: false,
  drainDeadlineMs: 600_000,
  readyDeadlineMs: 600_000,
  checksStartup: true,
};

/** One virtual storage, where nothing is the matter but what is said; deadlines of 600 s. */
export function rollObservation(
  storages: readonly ObservedStorage[],
  rest: Partial<RollObservation> & { readonly short?: number; readonly refusing?: number } = {},
): RollObservation {
  const { short = 0, refusing = 0, ...others } = rest;
  return {
    nowMs: rollNowMs,
    policy: rollPolicy,
    group: { size: 1, maxUnavailable: 1 },
    isApplied: true,
    proxies: { kind: 'answered', away: [] },
    virtualStorages: [{ name: 'default', short, refusing, minAvailableReplicas: 2, storages }],
    placements: undefined,
    ...others,
  };
}

/** A storage whose pod is up to date, with ten replicas in sync. */
export function storageOf(
  name: string,
  pod: Partial<Extract<ObservedPod, { kind: 'present' }>> | 'absent' | 'stopping' = {},
  report: Partial<StorageReport> | 'unknown' = {},
): ObservedStorage {
  return {
    name,
    pod:
      typeof pod === 'string'
        ? { kind: pod }
        : {
            kind: 'present',
            uid: `uid-of-${name}`,
            outdated: [],
            leaving: undefined,
            eviction: { isAllowed: false, sinceMs: undefined },
            readiness: ready,
            startup: { kind: 'clean' },
            ...pod,
          },
    report:
      report === 'unknown'
        ? undefined
        : {
            name,
            healthy: true,
            healthReason: '',
            replicas: 10,
            inSync: 10,
            primaries: 3,
            ...report,
          },
  };
}

const ready: PodReadiness = { kind: 'ready' };

/** A pod that is not ready since a minute and does not run. */
export function notReady(
  rest: Partial<Extract<PodReadiness, { kind: 'notReady' }>> = {},
): PodReadiness {
  return {
    kind: 'notReady',
    message: 'the pod is not ready yet',
    sinceMs: rollNowMs - 60_000,
    isFailing: false,
    isRunning: false,
    ...rest,
  };
}

/** The operator's drain, asked for a minute ago and done. */
export function drainBy(
  rest: Partial<DrainReport> & { readonly requester?: string; readonly agoMs?: number } = {},
): { readonly drain: DrainReport } {
  const { requester = drainRequester, agoMs = 60_000, ...others } = rest;
  return {
    drain: {
      requesters: [{ requester, reason: '', requestedMs: rollNowMs - agoMs }],
      unaware: [],
      calls: [],
      drained: true,
      ...others,
    },
  };
}

/** A fetch that has run for 12 seconds. */
export const fetchOf = (oldestRepository: string, count = 1) => ({
  drained: false,
  calls: [{ class: 'fetch', count, oldestMs: 12_000, oldestRepository }],
});
