/**
 * Every condition of a GitalyCluster and each reason it can have, with what it means. The one list:
 * the status code is typed by it and docs/api.md is generated from it.
 */
export const conditions = {
  Available: {
    meaning: 'Reads and writes are served.',
    reasons: {
      Serving: 'A proxy is ready, and each virtual storage has enough ready storages to write.',
      NoProxyReady: 'No proxy is ready: clients cannot connect.',
      StoragesNotReady:
        'A virtual storage has fewer ready storages than `minInSyncReplicas`: writes are refused.',
      DatabaseNotReady: 'The proxies cannot reach their database: writes are refused.',
    },
  },
  DataSafe: {
    meaning: 'Each repository has every replica that it should have, in sync and healthy.',
    reasons: {
      FullyReplicated: 'No replica is behind, missing or unhealthy.',
      ReplicasDiffer:
        'The replicas of a repository differ, or are all gone, and only a person can tell which is right.',
      StorageUpdating:
        'A storage is away, as its pod is being replaced; every other replica is in sync.',
      ReplicasBehind:
        'Some replicas are behind, missing or out of reach, and every repository accepts writes all the same.',
      TooFewInSync:
        'A repository has fewer replicas in sync than `minInSyncReplicas`: its writes are refused.',
      NoReplicaInSync: 'A repository has no healthy replica that is in sync.',
      NoProxyAnswers: 'No proxy could be asked.',
      DatabaseNotReady: 'The proxies answer, but what they know may be old.',
      ConfigurationPending: 'The proxies have not yet taken up every virtual storage.',
    },
  },
  DatabaseReady: {
    meaning: 'The proxies can reach their database.',
    reasons: {
      Reachable: 'A proxy says so.',
      SecretMissing: 'The Secret with the coordinates does not exist.',
      SecretIncomplete: 'The Secret with the coordinates lacks a key.',
      ServerNotReady: 'The managed PostgreSQL server is not ready.',
      Unreachable: 'The proxies answer, and say that they cannot reach it.',
      NoProxyAnswers: 'No proxy could be asked.',
    },
  },
  Progressing: {
    meaning: 'The operator or Kubernetes is bringing the cluster to what the spec says.',
    reasons: {
      UpToDate: 'Everything is as the spec says.',
      PodsStarting: 'Pods are being made or are not ready yet.',
      RollingUpdate: 'Gitaly pods are being replaced, one after the other or in groups.',
      NodesLeaving:
        'Nodes are cordoned or about to go: their Gitaly pods are drained, one after the other, and may be evicted then.',
      UpdateWaiting: 'Gitaly pods are outdated, and none may be taken down now.',
      UpdateHalted:
        'A new Gitaly pod does not become ready, so no other is replaced until it does or the spec is corrected.',
      UpdatePaused: 'Gitaly pods are outdated, and `spec.update.paused` is true.',
      ProxiesRolling: 'The proxies are being replaced, one by one.',
      ScalingDown: 'Replicas are being moved away from storages that the spec does not ask for.',
      VolumesGrowing: 'Volumes are smaller than the spec says.',
      Paused: '`spec.paused` is true.',
      Deleting: 'The cluster is being deleted.',
    },
  },
  Reconciled: {
    meaning: 'The last attempt to apply the spec succeeded.',
    reasons: {
      Applied: 'Every object was applied.',
      ApplyFailed: 'The API server refused an object, or could not be reached.',
      NameTaken: 'An object of a needed name exists and belongs to something else.',
      VersionSkipped:
        'The image of Gitaly skips a release that the upgrade path of GitLab does not let anybody skip.',
      SecretInvalid: 'A Secret that the spec names is missing or lacks a key.',
      Paused: '`spec.paused` is true, so nothing was applied.',
      Deleting: 'The cluster is being deleted, so nothing was applied.',
    },
  },
  Paused: {
    meaning: 'The operator changes nothing.',
    reasons: {
      PausedBySpec: '`spec.paused` is true.',
      Active: '`spec.paused` is false.',
    },
  },
} as const satisfies Record<string, ConditionDoc>;

interface ConditionDoc {
  readonly meaning: string;
  readonly reasons: Readonly<Record<string, string>>;
}

/** The type of a condition. */
export type ConditionType = keyof typeof conditions;

/** The reasons that a condition may have. */
export type ConditionReason<T extends ConditionType = ConditionType> = T extends ConditionType
  ? keyof (typeof conditions)[T]['reasons'] & string
  : never;

/** In the order in which the status lists them. */
export const conditionTypes: readonly ConditionType[] = [
  'Available',
  'DataSafe',
  'DatabaseReady',
  'Progressing',
  'Reconciled',
  'Paused',
];

/** What an evaluation says, before times and generations are added. */
export interface ConditionVerdict<T extends ConditionType> {
  readonly type: T;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: ConditionReason<T>;
  /** What is going on and, if something is to be done, what. */
  readonly message: string;
}

/** A verdict on any of the conditions. */
export type AnyVerdict = { [T in ConditionType]: ConditionVerdict<T> }[ConditionType];
