/* Generated from crds/ by `npm run generate`. Edit the CRD instead. */

/**
 * Highly available Git storage for GitLab: Gitaly storages, the proxies in front of them, and the database in which the proxies record what each replica holds.
 */
export interface GitalyCluster {
  /**
   * Always `gitaly.dev/v1alpha1`.
   */
  apiVersion: string;
  /**
   * Always `GitalyCluster`.
   */
  kind: string;
  metadata: import('../kubernetes.ts').ObjectMeta;
  spec: GitalyClusterSpec;
  status?: GitalyClusterStatus;
}
/**
 * What is wanted.
 */
export interface GitalyClusterSpec {
  /**
   * The storages that GitLab sees. GitLab's default installation has one, named `default`.
   *
   * @minItems 1
   * @maxItems 16
   */
  virtualStorages?: VirtualStorageSpec[];
  gitaly: GitalySpec;
  gitlab?: GitlabSpec;
  proxy?: ProxySpec;
  database: DatabaseSpec;
  auth?: AuthSpec;
  tls?: TlsSpec;
  /**
   * Secrets to pull the images with, as in a pod.
   *
   * @maxItems 16
   */
  imagePullSecrets?: ImagePullSecret[];
  /**
   * What `kubectl delete` does with the volumes and the generated Secrets. `Retain` keeps them: a cluster of the same name takes them up again. `Delete` deletes the repositories for good.
   */
  deletionPolicy?: 'Retain' | 'Delete';
  update?: UpdateSpec;
  /**
   * True stops the operator from changing anything; the status goes on.
   */
  paused?: boolean;
}
/**
 * A storage that GitLab sees, and the Gitaly storages behind it.
 */
export interface VirtualStorageSpec {
  /**
   * The storage's name in GitLab's configuration. Part of the pods' names.
   */
  name: string;
  /**
   * How many Gitaly storages, each a pod with a volume of its own. With fewer than before, the last ones go when their replicas are elsewhere; their volumes are kept.
   */
  storages?: number;
  /**
   * How many storages hold each new repository. Default: 3, or `storages` if that is smaller.
   */
  replicationFactor?: number;
  /**
   * A write is acknowledged when at least this many replicas hold it. With fewer left, writes are refused and reads go on. Default: 2 if `replicationFactor` is 3 or more, else 1.
   */
  minInSyncReplicas?: number;
  volume?: VolumeSpec;
  resources?: ResourceRequirements;
  /**
   * Labels that a node must have, as in a pod.
   */
  nodeSelector?: {
    [k: string]: string;
  };
  /**
   * As in a pod. Replaces the default, which spreads the pods over nodes.
   */
  affinity?: {
    [k: string]: unknown;
  };
  /**
   * As in a pod.
   *
   * @maxItems 32
   */
  tolerations?: Toleration[];
}
/**
 * The volume of each storage.
 */
export interface VolumeSpec {
  /**
   * A Kubernetes quantity, such as `50Gi`. May only grow.
   */
  size?: string;
  /**
   * Default: the StorageClass that is marked as default.
   */
  storageClassName?: string;
}
/**
 * CPU and memory of the container, as in a pod.
 */
export interface ResourceRequirements {
  /**
   * By resource name, such as `cpu` and `memory`.
   */
  requests?: {
    [k: string]: number | string;
  };
  /**
   * By resource name, such as `cpu` and `memory`.
   */
  limits?: {
    [k: string]: number | string;
  };
}
export interface Toleration {
  key?: string;
  operator?: 'Exists' | 'Equal';
  value?: string;
  effect?: 'NoSchedule' | 'PreferNoSchedule' | 'NoExecute';
  tolerationSeconds?: number;
}
/**
 * The Gitaly servers.
 */
export interface GitalySpec {
  /**
   * Any stock Gitaly image, such as `registry.gitlab.com/gitlab-org/build/cng/gitaly:v18.9.0`.
   */
  image: string;
  /**
   * How long a Gitaly that was told to stop waits for the calls that it is serving.
   */
  gracefulRestartTimeoutSeconds?: number;
}
/**
 * Where Gitaly asks whether a push is allowed. Without it, Gitaly refuses every push.
 */
export interface GitlabSpec {
  /**
   * The address of GitLab's internal API, such as `http://gitlab-webservice-default.gitlab.svc:8181`.
   */
  url: string;
  secretRef: SecretKeyRef;
}
/**
 * The Secret that GitLab Shell shares with GitLab.
 */
export interface SecretKeyRef {
  name: string;
  key?: string;
}
/**
 * The proxies that GitLab connects to.
 */
export interface ProxySpec {
  /**
   * How many. Any proxy can serve any request; two survive a node.
   */
  replicas?: number;
  /**
   * Processes that serve in each proxy; one uses one core. Default: one for each whole core of the CPU limit, or else of the CPU request, and no more than the memory limit carries with 256 MiB for each and 96 MiB besides; at least 1, at most 8.
   */
  workers?: number;
  verification?: VerificationSpec;
  /**
   * Default: the operator's own image.
   */
  image?: string;
  /**
   * CPU and memory of the container, as in a pod.
   */
  resources?: ResourceRequirements;
  /**
   * Labels that a node must have, as in a pod.
   */
  nodeSelector?: {
    [k: string]: string;
  };
  /**
   * As in a pod. Replaces the default, which spreads the pods over nodes.
   */
  affinity?: {
    [k: string]: unknown;
  };
  /**
   * As in a pod.
   *
   * @maxItems 32
   */
  tolerations?: Toleration[];
}
/**
 * How the replicas of each repository are compared with one another in the background. What is missing or differs is repaired.
 */
export interface VerificationSpec {
  /**
   * From one comparison of a repository to the next. 0: only those that somebody asks for, and those in which writes of a proxy that is gone were settled.
   */
  intervalHours?: number;
  /**
   * Calls that each storage gets for that in a second, from all proxies together.
   */
  callsPerSecond?: number;
}
/**
 * The PostgreSQL database of the proxies. Exactly one of `secretRef` and `managed`.
 */
export interface DatabaseSpec {
  secretRef?: DatabaseSecretRef;
  managed?: ManagedDatabaseSpec;
}
/**
 * A Secret with the database's coordinates under the keys that CloudNativePG uses: `uri`, or `host`, `port`, `dbname`, `username` and `password`.
 */
export interface DatabaseSecretRef {
  name: string;
}
/**
 * One small PostgreSQL server, for trying out. It is a single point of failure: while it is down, writes are refused. After a switch to `secretRef`, its StatefulSet `<cluster>-database` stays until you delete it.
 */
export interface ManagedDatabaseSpec {
  /**
   * An image with the conventions of the official `postgres` image.
   */
  image?: string;
  volume?: DatabaseVolumeSpec;
  /**
   * CPU and memory of the container, as in a pod.
   */
  resources?: ResourceRequirements;
}
/**
 * The server's volume.
 */
export interface DatabaseVolumeSpec {
  /**
   * A Kubernetes quantity, such as `5Gi`. May only grow.
   */
  size?: string;
  /**
   * Default: the StorageClass that is marked as default.
   */
  storageClassName?: string;
}
/**
 * How clients prove who they are to the proxies.
 */
export interface AuthSpec {
  tokenSecretRef?: TokenSecretRef;
  /**
   * True lets calls with a wrong token, or with none, through, and counts them in the metric `gitaly_authentications_total`: for as long as not every client has its token.
   */
  transitioning?: boolean;
}
/**
 * The Secret with the token that GitLab signs with (`gitaly_token`). Default: the operator makes one, named `<cluster>-client-token`.
 */
export interface TokenSecretRef {
  name: string;
  key?: string;
}
/**
 * Encryption of connections, off by default. The ports in plain text stay open. Renewed certificates are taken up without a restart, but for those of the storages.
 */
export interface TlsSpec {
  proxy?: ProxyTlsSpec;
  storages?: StorageTlsSpec;
}
/**
 * Lets the proxies listen with TLS too, on port 8076.
 */
export interface ProxyTlsSpec {
  secretRef: ProxyCertificateRef;
}
/**
 * A Secret with `tls.crt` and `tls.key`, such as cert-manager makes, for `<cluster>-proxy.<namespace>.svc` and `<cluster>-proxy-headless.<namespace>.svc`.
 */
export interface ProxyCertificateRef {
  name: string;
}
/**
 * Lets the proxies speak TLS with the storages, and the storages with each other, once every Gitaly pod was replaced.
 */
export interface StorageTlsSpec {
  secretRef: StorageCertificateRef;
}
/**
 * A Secret with `tls.crt`, `tls.key` and the authority's `ca.crt`, such as cert-manager makes, for `*.<cluster>-<virtual storage>.<namespace>.svc` of each virtual storage.
 */
export interface StorageCertificateRef {
  name: string;
}
export interface ImagePullSecret {
  name: string;
}
/**
 * How Gitaly pods are replaced when an image, a configuration or anything else that they are made from changes: one after the other or some at a time, each when no client is on it.
 */
export interface UpdateSpec {
  /**
   * True takes no further pod down. One that was taken down already comes back to the end.
   */
  paused?: boolean;
  grace?: GraceSpec;
  /**
   * How long the calls of clients may hold up the replacement of a pod, such as a long clone, or any call where no other replica could take it. Then they are cut.
   */
  drainDeadlineSeconds?: number;
  /**
   * How long a new pod may take to become ready. Then the update is halted, and says so. It goes on by itself when the pod is ready or the spec is corrected.
   */
  readyDeadlineSeconds?: number;
  /**
   * What errors in the log of a new pod are, if they are from before it was ready: Halt keeps clients away from it and halts the update, Ignore does not look.
   */
  startupErrors?: 'Halt' | 'Ignore';
  /**
   * What an image is that skips a release which the upgrade path of GitLab does not let anybody skip (x.2, x.5, x.8 and x.11), by the tags of the images: Refuse applies nothing of the spec and says so, Allow does not look.
   */
  skippedVersions?: 'Refuse' | 'Allow';
  /**
   * How many storages are replaced together at most. From 2 on the operator looks up where repositories are, and those go together that no repository needs at the same time: see minAvailableReplicas. The first pod of a new revision goes alone.
   */
  groupSize?: number;
  /**
   * How many storages may be away at most while a group goes, those included that are away for another reason. By default groupSize.
   */
  maxUnavailable?: number;
  /**
   * How many replicas of each repository stay in sync and available while a group goes. By default minInSyncReplicas of its virtual storage, so that it takes writes all the time. A storage that no group may have, such as one with the only replica of a repository, is replaced alone when nothing else is the matter.
   */
  minAvailableReplicas?: number;
}
/**
 * How long calls that run on a storage may go on once its drain was asked for, by their kind. Then the proxies cut them with UNAVAILABLE, which clients may retry.
 */
export interface GraceSpec {
  /**
   * Calls that are done as fast as the storage can. GitLab waits 55 s for any of them in a web request.
   */
  unarySeconds?: number;
  /**
   * Answers of many messages, such as archives and bundles.
   */
  streamSeconds?: number;
  /**
   * Clones and fetches, which take what the client's line needs.
   */
  fetchSeconds?: number;
  /**
   * Pushes, with the checks that GitLab makes.
   */
  pushSeconds?: number;
}
/**
 * What the operator observed.
 */
export interface GitalyClusterStatus {
  /**
   * The generation of the spec that this status is about.
   */
  observedGeneration?: number;
  /**
   * `Creating` until it was available once; `Ready`; `Progressing` while something changes and service goes on; `Unavailable`; `Paused`; `Deleting`.
   */
  phase?: 'Creating' | 'Ready' | 'Progressing' | 'Unavailable' | 'Paused' | 'Deleting';
  /**
   * Why the cluster is in this phase; a reason of one of the conditions.
   */
  reason?: string;
  /**
   * What is going on and what to do next, for a person.
   */
  message?: string;
  /**
   * Gitaly storages that are ready, of those wanted, such as `3/3`.
   */
  ready?: string;
  /**
   * `Safe`: each replica that should exist is in sync. `Degraded`: some are not, but every repository has its `minInSyncReplicas`. `AtRisk`: a repository has fewer and accepts no writes, or only a person can tell which of its replicas is right. `Unavailable`: a repository has no healthy replica that is in sync. `Unknown`: no proxy can say.
   */
  data?: 'Safe' | 'Degraded' | 'AtRisk' | 'Unavailable' | 'Unknown';
  /**
   * Repositories in all virtual storages, when a proxy last said.
   */
  repositories?: number;
  /**
   * Repositories that are not fully replicated: degraded, at risk or unavailable.
   */
  degradedRepositories?: number;
  endpoint?: EndpointStatus;
  /**
   * Gitaly storages whose pod is as the spec says, of those wanted, such as `2/3`.
   */
  updated?: string;
  proxy?: ProxyStatus;
  virtualStorages?: VirtualStorageStatus[];
  conditions?: Condition[];
}
/**
 * What to write into GitLab's configuration.
 */
export interface EndpointStatus {
  /**
   * The `gitaly_address` of each virtual storage.
   */
  address: string;
  /**
   * The same with TLS, if `spec.tls.proxy` is set.
   */
  tlsAddress?: string;
  /**
   * The Secret with the `gitaly_token`.
   */
  tokenSecret: string;
  /**
   * Its key.
   */
  tokenKey: string;
}
export interface ProxyStatus {
  /**
   * Such as `2/2`.
   */
  ready: string;
  /**
   * Proxies wanted.
   */
  replicas: number;
  readyReplicas: number;
}
/**
 * Repository counts are absent until a proxy has said them. Each repository is in exactly one of the four classes.
 */
export interface VirtualStorageStatus {
  name: string;
  /**
   * Storages that are ready, of those wanted, such as `3/3`.
   */
  ready: string;
  /**
   * The value in effect.
   */
  replicationFactor: number;
  /**
   * The value in effect.
   */
  minInSyncReplicas: number;
  repositories?: number;
  /**
   * Each replica that should exist is in sync.
   */
  fullyReplicated?: number;
  /**
   * A replica is behind, missing or out of reach; enough are in sync to write.
   */
  degraded?: number;
  /**
   * Fewer than `minInSyncReplicas` are in sync; writes are refused.
   */
  atRisk?: number;
  /**
   * No healthy replica is in sync.
   */
  unavailable?: number;
  storages: StorageStatus[];
}
export interface StorageStatus {
  /**
   * The storage's name, which is also its pod's.
   */
  name: string;
  /**
   * Whether the pod is ready.
   */
  ready: boolean;
  /**
   * What the proxies say.
   */
  health: 'Healthy' | 'Unhealthy' | 'Unknown';
  /**
   * Why it is not ready or not healthy.
   */
  message?: string;
  /**
   * True if the pod runs an older revision than the one wanted.
   */
  outdated?: boolean;
  /**
   * Where the storage is in an update; absent if it is up to date. `Outdated`: its turn comes. `Draining`: calls of clients come to their ends. `Drained`: no client is left. `Restarting`: its pod is replaced. `Returning`: it copies what it has missed. `Failed`: its new pod does not become ready. `Leaving`: its pod is not outdated, but its node is about to go, and its turn comes; once it is drained it may be evicted.
   */
  update?: 'Outdated' | 'Leaving' | 'Draining' | 'Drained' | 'Restarting' | 'Returning' | 'Failed';
  /**
   * Why it is outdated or drained, or what its update or its eviction waits for.
   */
  updateMessage?: string;
  drain?: DrainStatus;
  /**
   * The size that the volume has now.
   */
  volumeSize?: string;
  /**
   * Replicas of repositories on this storage.
   */
  replicas?: number;
  /**
   * Those that are in sync.
   */
  inSync?: number;
  /**
   * Those that are primary.
   */
  primaries?: number;
}
/**
 * Present while somebody keeps clients away from the storage.
 */
export interface DrainStatus {
  /**
   * Who asked for it, and why.
   */
  requesters: string[];
  /**
   * Whether no client is left.
   */
  drained: boolean;
  /**
   * Proxies and calls that it waits for.
   */
  message: string;
}
/**
 * A condition as Kubernetes defines it (metav1.Condition).
 */
export interface Condition {
  type: string;
  status: 'True' | 'False' | 'Unknown';
  observedGeneration?: number;
  lastTransitionTime: string;
  reason: string;
  message: string;
}
