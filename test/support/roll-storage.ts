import type { DrainReport } from '../../src/reconcilers/proxy-report.ts';
import type { ObservedPod } from '../../src/reconcilers/rollout/roll-observation.ts';
import { drainRequester } from '../../src/reconcilers/rollout/storage-state.ts';

export interface RollPod {
  readonly uid: string;
  readonly revision: number;
  phase: 'starting' | 'ready' | 'failing' | 'stopping';
  /** Whether its log has errors from its start. */
  readonly isFlawed: boolean;
  changedMs: number;
  isEvictable: boolean;
  evictableSinceMs: number | undefined;
}

/** A storage of a `RollWorld`, as it is. */
export interface RollStorage {
  readonly name: string;
  pod: RollPod | undefined;
  healthy: boolean;
  behind: number;
  calls: number;
  /** When the operator asked for its drain. */
  drainedSinceMs: number | undefined;
  othersDrain: boolean;
  /** Whether every proxy has taken note of its drains. */
  noted: boolean;
  /** Whether the node of its pod is about to go. */
  leaving: boolean;
}

/** What the operator sees of its pod, where that revision is the one wanted. */
export function observedPod({ pod, name, leaving }: RollStorage, wanted: number): ObservedPod {
  if (!pod) return { kind: 'absent' };
  const { uid, phase, revision, isFlawed, changedMs, isEvictable, evictableSinceMs } = pod;
  if (phase === 'stopping') return { kind: 'stopping' };
  const template = revision === wanted ? [] : (['image', 'configuration'] as const);
  return {
    kind: 'present',
    uid,
    outdated: leaving ? [...template, 'node'] : template,
    leaving: leaving ? `the node of ${name} is cordoned` : undefined,
    eviction: { isAllowed: isEvictable, sinceMs: evictableSinceMs },
    startup: isFlawed ? { kind: 'errors', message: 'no hooks' } : { kind: 'clean' },
    readiness:
      phase === 'ready'
        ? { kind: 'ready' }
        : {
            kind: 'notReady',
            message: phase,
            sinceMs: changedMs,
            isFailing: phase === 'failing',
            isRunning: false,
          },
  };
}

/** What a drain depends on. */
type Drained = Pick<RollStorage, 'drainedSinceMs' | 'othersDrain' | 'noted' | 'calls'>;

export function isDrainAsked({ drainedSinceMs, othersDrain }: Drained): boolean {
  return drainedSinceMs !== undefined || othersDrain;
}

/** What the proxies say of its drain. */
export function drainOf(storage: Drained, nowMs: number): DrainReport | undefined {
  if (!isDrainAsked(storage)) return undefined;
  const { drainedSinceMs, othersDrain, noted, calls } = storage;
  return {
    requesters: [
      ...(drainedSinceMs === undefined
        ? []
        : [{ requester: drainRequester, reason: '', requestedMs: drainedSinceMs }]),
      ...(othersDrain ? [{ requester: 'alice', reason: '', requestedMs: nowMs }] : []),
    ],
    unaware: noted ? [] : ['proxy-0'],
    calls:
      calls === 0 ? [] : [{ class: 'fetch', count: calls, oldestMs: 0, oldestRepository: 'r' }],
    drained: noted && calls === 0,
  };
}
