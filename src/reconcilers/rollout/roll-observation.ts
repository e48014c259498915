import type { StorageReport } from '../proxy-report.ts';
import type { NodeToClear } from './maintenance-request.ts';
import type { OutdatedReason } from './outdated-reasons.ts';
import type { Placements } from './placements.ts';
import type { StartupLog } from './startup-log.ts';

/** All that the roll of a cluster is decided from, at one moment. */
export interface RollObservation {
  /** Milliseconds since 1970-01-01 UTC, by the operator's clock. */
  readonly nowMs: number;
  readonly policy: RollPolicy;
  readonly group: GroupPolicy;
  /** Whether all objects are as the spec says. Until then a new pod might be made from half of a change. */
  readonly isApplied: boolean;
  readonly proxies: ObservedProxies;
  readonly virtualStorages: readonly ObservedVirtualStorage[];
  /** Where repositories are; undefined if nobody was asked. A storage's index is its place in all virtual storages. */
  readonly placements: ObservedPlacements | undefined;
}

/** What the spec says of updates. */
interface RollPolicy {
  readonly paused: boolean;
  /** How long calls may hold up a drain before their storage goes all the same. */
  readonly drainDeadlineMs: number;
  /** How long a pod may take to become ready before it counts as failed. */
  readonly readyDeadlineMs: number;
  /** Whether a new pod gets its clients back only if its log has no errors from its start. */
  readonly checksStartup: boolean;
}

/** What the spec says of storages that go together. */
interface GroupPolicy {
  /** How many go at a time at most. With 1 nobody has to know where repositories are. */
  readonly size: number;
  /** How many may be away at most, if one goes that is not. */
  readonly maxUnavailable: number;
}

/** Where repositories are, as far as somebody knows. */
export type ObservedPlacements =
  | { readonly kind: 'listed'; readonly placements: Placements }
  | { readonly kind: 'unknown'; readonly message: string };

/** Whether what the proxies say can be gone by. */
export type ObservedProxies =
  | { readonly kind: 'silent'; readonly message: string }
  /** They know what was, but not what is: see `ProxyReport.storeReachable`. */
  | { readonly kind: 'storeUnreachable' }
  | {
      readonly kind: 'answered';
      /** Proxies that may have clients, and that do not answer or do not reach the store: they hear of no drain. */
      readonly away: readonly string[];
    };

/** A virtual storage and how well its repositories are. */
export interface ObservedVirtualStorage {
  readonly name: string;
  /** Repositories that are not fully replicated: degraded, at risk or unavailable. */
  readonly short: number;
  /** Those of them that refuse writes. */
  readonly refusing: number;
  /** How many replicas of each repository stay available while storages go together. */
  readonly minAvailableReplicas: number;
  readonly storages: readonly ObservedStorage[];
}

/** A storage, its pod, and what the proxies say of it. */
export interface ObservedStorage {
  /** Also its pod's name. */
  readonly name: string;
  readonly pod: ObservedPod;
  /** Undefined if no proxy has said, or none knows the storage. */
  readonly report: StorageReport | undefined;
}

/** The pod of a storage, as far as the roll goes. */
export type ObservedPod =
  | { readonly kind: 'absent' }
  | { readonly kind: 'stopping' }
  | {
      readonly kind: 'present';
      readonly uid: string;
      /** Why it is to be replaced; empty if it is not; undefined while Kubernetes has not looked at the template. */
      readonly outdated: readonly OutdatedReason[] | undefined;
      /** Why its node is about to go, for a person; undefined if it stays. */
      readonly leaving: string | undefined;
      /** What to do with its node before it goes; absent if there is nothing to do. */
      readonly maintenance?: NodeToClear | undefined;
      readonly eviction: PodEviction;
      readonly readiness: PodReadiness;
      /** What its log says of its start; absent if nobody has looked. */
      readonly startup?: StartupLog | undefined;
    };

/** Whether the API server lets a pod be evicted that is ready. */
export interface PodEviction {
  readonly isAllowed: boolean;
  /** When it was allowed last, by the operator's clock; undefined if it never was. */
  readonly sinceMs: number | undefined;
}

/** Whether a pod that is there is ready. */
export type PodReadiness =
  | { readonly kind: 'ready' }
  | {
      readonly kind: 'notReady';
      /** Why, for a person. */
      readonly message: string;
      /** By the clock of the cluster; undefined if Kubernetes has not said. */
      readonly sinceMs: number | undefined;
      /** It does not get ready by waiting, such as when its image cannot be pulled. */
      readonly isFailing: boolean;
      /** Whether its server may be running. */
      readonly isRunning: boolean;
    };
