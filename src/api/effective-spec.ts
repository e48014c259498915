import type {
  GitalyCluster,
  GitlabSpec,
  ManagedDatabaseSpec,
  ProxySpec,
  ResourceRequirements,
  VirtualStorageSpec,
  VolumeSpec,
} from './generated/gitaly-cluster.ts';
import { generatedTokenKey, objectNames, type SecretKey } from './names.ts';
import { defaultWorkers } from './worker-default.ts';

/**
 * The spec with every default filled in. The API server fills in those that the CRD states; the
 * others depend on several fields, and all are repeated here, so that the result never depends on
 * which version of the CRD is installed.
 */
export interface EffectiveSpec {
  readonly virtualStorages: readonly EffectiveVirtualStorage[];
  readonly gitaly: { readonly image: string; readonly gracefulRestartTimeoutSeconds: number };
  readonly gitlab: { readonly url: string; readonly secret: SecretKey } | undefined;
  readonly proxy: Placement & {
    readonly replicas: number;
    readonly workers: number;
    readonly verification: { readonly intervalHours: number; readonly callsPerSecond: number };
    readonly image: string;
    readonly resources: ResourceRequirements | undefined;
  };
  readonly database: EffectiveDatabase;
  readonly clientToken: SecretKey & {
    /** Whether the operator makes the Secret. */
    readonly generated: boolean;
  };
  /** Whether calls of clients with wrong tokens are let through. */
  readonly clientAuthTransitioning: boolean;
  /** The Secrets with certificates; undefined means plain text. */
  readonly tls: {
    readonly proxySecret: string | undefined;
    readonly storageSecret: string | undefined;
  };
  readonly imagePullSecrets: readonly { readonly name: string }[];
  readonly deletionPolicy: 'Retain' | 'Delete';
  readonly update: {
    readonly paused: boolean;
    /** Of calls on a storage that is being drained. */
    readonly grace: {
      readonly unarySeconds: number;
      readonly streamSeconds: number;
      readonly fetchSeconds: number;
      readonly pushSeconds: number;
    };
    readonly drainDeadlineSeconds: number;
    readonly readyDeadlineSeconds: number;
    readonly startupErrors: 'Halt' | 'Ignore';
    readonly skippedVersions: 'Refuse' | 'Allow';
    /** How many storages are replaced together at most. */
    readonly groupSize: number;
    readonly maxUnavailable: number;
    /** Undefined: as many as each virtual storage needs to take writes. */
    readonly minAvailableReplicas: number | undefined;
  };
  readonly paused: boolean;
}

/** A virtual storage with every default filled in. */
export interface EffectiveVirtualStorage extends Placement {
  readonly name: string;
  /** All that there are, or are to be. */
  readonly storages: number;
  /** How many of them, the last ones, are to go: see `ScaleDown`. */
  readonly decommissioned: number;
  readonly replicationFactor: number;
  readonly minInSyncReplicas: number;
  readonly volume: EffectiveVolume;
  readonly resources: ResourceRequirements | undefined;
}

/** Where pods may go, as in a pod. */
export interface Placement {
  readonly nodeSelector: Readonly<Record<string, string>> | undefined;
  readonly affinity: object | undefined;
  readonly tolerations: readonly object[] | undefined;
}

/** Size and class of a volume. */
export interface EffectiveVolume {
  readonly size: string;
  readonly storageClassName: string | undefined;
}

/** Whose database the proxies use. */
export type EffectiveDatabase =
  | { readonly kind: 'external'; readonly secretName: string }
  | {
      readonly kind: 'managed';
      readonly secretName: string;
      readonly image: string;
      readonly volume: EffectiveVolume;
      readonly resources: ResourceRequirements | undefined;
    };

/** What the operator decides where the spec says nothing. */
export interface SpecDefaults {
  /** The image of the proxies. */
  readonly proxyImage: string;
}

/** Throws if the spec breaks a rule that the CRD enforces, which an old CRD may have let pass. */
export function effectiveSpec(cluster: GitalyCluster, defaults: SpecDefaults): EffectiveSpec {
  const { spec } = cluster;
  const { name } = cluster.metadata;
  const virtualStorages = spec.virtualStorages ?? [{ name: 'default' }];
  const token = spec.auth?.tokenSecretRef;
  return {
    virtualStorages: virtualStorages.map(effectiveVirtualStorage),
    gitaly: {
      image: spec.gitaly.image,
      gracefulRestartTimeoutSeconds: spec.gitaly.gracefulRestartTimeoutSeconds ?? 60,
    },
    gitlab: spec.gitlab && effectiveGitlab(spec.gitlab),
    proxy: {
      ...placementOf(spec.proxy ?? {}),
      replicas: spec.proxy?.replicas ?? 2,
      workers: spec.proxy?.workers ?? defaultWorkers(spec.proxy?.resources),
      verification: {
        intervalHours: spec.proxy?.verification?.intervalHours ?? 168,
        callsPerSecond: spec.proxy?.verification?.callsPerSecond ?? 10,
      },
      image: spec.proxy?.image ?? defaults.proxyImage,
      resources: spec.proxy?.resources,
    },
    database: effectiveDatabase(cluster),
    clientToken: token
      ? { name: token.name, key: token.key ?? generatedTokenKey, generated: false }
      : { name: objectNames.clientToken(name), key: generatedTokenKey, generated: true },
    clientAuthTransitioning: spec.auth?.transitioning ?? false,
    tls: {
      proxySecret: spec.tls?.proxy?.secretRef.name,
      storageSecret: spec.tls?.storages?.secretRef.name,
    },
    imagePullSecrets: spec.imagePullSecrets ?? [],
    deletionPolicy: spec.deletionPolicy ?? 'Retain',
    update: {
      paused: spec.update?.paused ?? false,
      grace: {
        unarySeconds: spec.update?.grace?.unarySeconds ?? 60,
        streamSeconds: spec.update?.grace?.streamSeconds ?? 300,
        fetchSeconds: spec.update?.grace?.fetchSeconds ?? 540,
        pushSeconds: spec.update?.grace?.pushSeconds ?? 540,
      },
      drainDeadlineSeconds: spec.update?.drainDeadlineSeconds ?? 600,
      readyDeadlineSeconds: spec.update?.readyDeadlineSeconds ?? 600,
      startupErrors: spec.update?.startupErrors ?? 'Halt',
      skippedVersions: spec.update?.skippedVersions ?? 'Refuse',
      groupSize: spec.update?.groupSize ?? 1,
      maxUnavailable: spec.update?.maxUnavailable ?? spec.update?.groupSize ?? 1,
      minAvailableReplicas: spec.update?.minAvailableReplicas,
    },
    paused: spec.paused ?? false,
  };
}

function effectiveVirtualStorage(spec: VirtualStorageSpec): EffectiveVirtualStorage {
  const storages = spec.storages ?? 3;
  const replicationFactor = spec.replicationFactor ?? Math.min(3, storages);
  const minInSyncReplicas = spec.minInSyncReplicas ?? (replicationFactor >= 3 ? 2 : 1);
  if (replicationFactor > storages || minInSyncReplicas > replicationFactor) {
    throw new Error(
      `virtual storage ${spec.name}: minInSyncReplicas (${minInSyncReplicas}) may not be larger ` +
        `than replicationFactor (${replicationFactor}), nor that than storages (${storages})`,
    );
  }
  return {
    name: spec.name,
    storages,
    decommissioned: 0,
    replicationFactor,
    minInSyncReplicas,
    volume: effectiveVolume(spec.volume, '50Gi'),
    resources: spec.resources,
    ...placementOf(spec),
  };
}

function effectiveGitlab({ url, secretRef }: GitlabSpec): EffectiveSpec['gitlab'] {
  return { url, secret: { name: secretRef.name, key: secretRef.key ?? 'secret' } };
}

function effectiveDatabase({ metadata, spec }: GitalyCluster): EffectiveDatabase {
  const { secretRef, managed } = spec.database;
  if (secretRef && !managed) return { kind: 'external', secretName: secretRef.name };
  if (managed && !secretRef) return effectiveManagedDatabase(metadata.name, managed);
  throw new Error('database: write exactly one of secretRef and managed');
}

function effectiveManagedDatabase(
  cluster: string,
  { image = 'docker.io/library/postgres:17', volume, resources }: ManagedDatabaseSpec,
): EffectiveDatabase {
  return {
    kind: 'managed',
    secretName: objectNames.database(cluster),
    image,
    volume: effectiveVolume(volume, '5Gi'),
    resources,
  };
}

function effectiveVolume(volume: VolumeSpec | undefined, defaultSize: string): EffectiveVolume {
  return { size: volume?.size ?? defaultSize, storageClassName: volume?.storageClassName };
}

function placementOf(
  spec: Pick<ProxySpec, 'nodeSelector' | 'affinity' | 'tolerations'>,
): Placement {
  return {
    nodeSelector: spec.nodeSelector,
    affinity: spec.affinity,
    tolerations: spec.tolerations,
  };
}
