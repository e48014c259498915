import type { EffectiveVirtualStorage } from '../api/effective-spec.ts';
import type {
  Container,
  EnvVar,
  Probe,
  StatefulSet,
  Volume,
  VolumeMount,
} from '../api/kubernetes.ts';
import { grpcPort, grpcTlsPort, httpPort, objectNames, tlsKeys } from '../api/names.ts';
import type { ClusterContext } from './cluster-context.ts';
import { gitalyConfigChecksum } from './gitaly-config.ts';
import { storagePart } from './gitaly-objects.ts';
import { gitalyPaths } from './gitaly-paths.ts';
import { configChecksumKey } from './rollout/outdated-reasons.ts';
import { labelsOf, ownedMeta, selectorOf } from './object-meta.ts';
import { spreadPlacement } from './pod-placement.ts';
import { restrictedContainer, restrictedPod } from './pod-security.ts';
import { secretFiles } from './secret-files.ts';
import { carriedOverClaims, volumeClaim } from './volume-claims.ts';

/** The user and group `git` of every stock image. */
const gitUser = 1000;

/** The container's port that only a pod with TLS has. */
export const storageTlsPortName = 'grpc-tls';

/** What Kubernetes allows a Gitaly beyond its own grace, to close its files and exit. */
const exitAllowanceSeconds = 15;

/** What the StatefulSet of a virtual storage is made from. */
export interface GitalyStatefulSetInput {
  readonly context: ClusterContext;
  readonly virtualStorage: EffectiveVirtualStorage;
  /** The token that callers must sign with; only its digest gets into the object. */
  readonly token: string;
  /** The StatefulSet as it is now. */
  readonly current: StatefulSet | undefined;
}

/**
 * The Gitaly storages of a virtual storage.
 *
 * - Kubernetes never replaces a pod on its own (`OnDelete`): whether one may go depends on what the
 *   others hold, which only the proxies know.
 * - A storage's name is its pod's, so it stays with its volume.
 * - The template does not depend on the number of storages: adding one restarts none.
 */
export function gitalyStatefulSet(input: GitalyStatefulSetInput): StatefulSet {
  const { context, virtualStorage, current } = input;
  const part = storagePart(virtualStorage);
  const name = objectNames.storages(context.name, virtualStorage.name);
  const claim = volumeClaim(volumeNames.repositories, virtualStorage.volume, {
    ...selectorOf(context, part).matchLabels,
  });
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: ownedMeta(context, part, name),
    spec: {
      replicas: virtualStorage.storages,
      serviceName: name,
      podManagementPolicy: 'Parallel',
      updateStrategy: { type: 'OnDelete' },
      persistentVolumeClaimRetentionPolicy: {
        whenDeleted: context.spec.deletionPolicy,
        whenScaled: 'Retain',
      },
      selector: selectorOf(context, part),
      template: podTemplate(input),
      volumeClaimTemplates: carriedOverClaims(current) ?? [claim],
    },
  };
}

/** The container of a storage's pod that runs Gitaly. */
export const gitalyContainer = 'gitaly';

const volumeNames = {
  config: 'config',
  gitlab: 'gitlab',
  repositories: 'repositories',
  runtime: 'runtime',
  tls: 'tls',
  tlsAuthority: 'tls-authority',
  tmp: 'tmp',
} as const;

function podTemplate({
  context,
  virtualStorage,
  token,
}: GitalyStatefulSetInput): StatefulSet['spec']['template'] {
  const part = storagePart(virtualStorage);
  const { spec } = context;
  return {
    metadata: {
      labels: labelsOf(context, part),
      annotations: { [configChecksumKey]: gitalyConfigChecksum(context, token) },
    },
    spec: {
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      // The pause process is PID 1 then, and reaps what Gitaly's git processes leave behind.
      shareProcessNamespace: true,
      terminationGracePeriodSeconds:
        spec.gitaly.gracefulRestartTimeoutSeconds + exitAllowanceSeconds,
      securityContext: restrictedPod(gitUser),
      imagePullSecrets: spec.imagePullSecrets,
      ...spreadPlacement(virtualStorage, selectorOf(context, part)),
      containers: [container(context, virtualStorage)],
      volumes: volumes(context, virtualStorage),
    },
  };
}

function container(context: ClusterContext, virtualStorage: EffectiveVirtualStorage): Container {
  const hasTls = context.spec.tls.storageSecret !== undefined;
  return {
    name: gitalyContainer,
    image: context.spec.gitaly.image,
    imagePullPolicy: 'IfNotPresent',
    command: ['/usr/local/bin/gitaly', 'serve', gitalyPaths.config],
    env: [
      { name: 'POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
      ...(hasTls ? [trustedFolders] : []),
    ],
    ports: [
      { name: 'grpc', containerPort: grpcPort, protocol: 'TCP' },
      ...(hasTls ? [tlsPort] : []),
      { name: 'http', containerPort: httpPort, protocol: 'TCP' },
    ],
    ...(virtualStorage.resources && { resources: virtualStorage.resources }),
    // Five minutes to start. After that, a minute of silence restarts Gitaly: being busy must not.
    startupProbe: healthProbe({ periodSeconds: 1, timeoutSeconds: 1, failureThreshold: 300 }),
    readinessProbe: healthProbe({ periodSeconds: 5, timeoutSeconds: 3, failureThreshold: 3 }),
    livenessProbe: healthProbe({ periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6 }),
    securityContext: restrictedContainer,
    volumeMounts: volumeMounts(context),
  };
}

const tlsPort = {
  name: storageTlsPortName,
  containerPort: grpcTlsPort,
  protocol: 'TCP',
} as const;

/**
 * Where Go looks for authorities when a storage connects to another one, beside the bundle of the
 * system: our folder, and those that it looks into without this variable.
 */
const trustedFolders: EnvVar = {
  name: 'SSL_CERT_DIR',
  value: `${gitalyPaths.tlsAuthority}:/etc/ssl/certs:/etc/pki/tls/certs`,
};

/** Gitaly's health service asks for no token. */
function healthProbe(timing: Omit<Probe, 'grpc'>): Probe {
  return { grpc: { port: grpcPort }, ...timing };
}

function volumeMounts({ spec }: ClusterContext): VolumeMount[] {
  return [
    {
      name: volumeNames.config,
      mountPath: gitalyPaths.config,
      subPathExpr: '$(POD_NAME).toml',
      readOnly: true,
    },
    { name: volumeNames.repositories, mountPath: gitalyPaths.repositories },
    { name: volumeNames.runtime, mountPath: gitalyPaths.runtime },
    { name: volumeNames.tmp, mountPath: '/tmp' },
    ...(spec.gitlab
      ? [{ name: volumeNames.gitlab, mountPath: gitalyPaths.gitlabSecret, readOnly: true }]
      : []),
    ...(spec.tls.storageSecret === undefined
      ? []
      : [
          { name: volumeNames.tls, mountPath: gitalyPaths.tls, readOnly: true },
          { name: volumeNames.tlsAuthority, mountPath: gitalyPaths.tlsAuthority, readOnly: true },
        ]),
  ];
}

function volumes({ name, spec }: ClusterContext, virtualStorage: { name: string }): Volume[] {
  const config = objectNames.storageConfig(name, virtualStorage.name);
  return [
    { name: volumeNames.config, secret: { secretName: config } },
    { name: volumeNames.runtime, emptyDir: {} },
    { name: volumeNames.tmp, emptyDir: {} },
    ...(spec.gitlab ? [gitlabVolume(spec.gitlab.secret)] : []),
    ...(spec.tls.storageSecret === undefined ? [] : tlsVolumes(spec.tls.storageSecret)),
  ];
}

function gitlabVolume({ name, key }: { name: string; key: string }): Volume {
  return {
    name: volumeNames.gitlab,
    secret: { secretName: name, items: [{ key, path: 'secret' }] },
  };
}

/** Only names: a renewed certificate does not make a new template. Gitaly reads it when it starts. */
function tlsVolumes(secret: string): Volume[] {
  return [
    secretFiles(volumeNames.tls, secret, [tlsKeys.certificate, tlsKeys.key]),
    secretFiles(volumeNames.tlsAuthority, secret, [tlsKeys.authority]),
  ];
}

/** The name of the volume claim of a storage. */
export function repositoriesClaimName(storage: string): string {
  return `${volumeNames.repositories}-${storage}`;
}
