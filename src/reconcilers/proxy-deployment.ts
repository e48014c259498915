import type { Container, Deployment, Volume, VolumeMount } from '../api/kubernetes.ts';
import {
  generatedTokenKey,
  grpcPort,
  grpcTlsPort,
  httpPort,
  objectNames,
  previousTokenKey,
  tlsKeys,
  type SecretKey,
} from '../api/names.ts';
import { proxyNodeOptions } from '../api/proxy-node-options.ts';
import type { ClusterContext, StorageTransport } from './cluster-context.ts';
import { labelsOf, ownedMeta, selectorOf } from './object-meta.ts';
import { spreadPlacement } from './pod-placement.ts';
import { restrictedContainer, restrictedPod } from './pod-security.ts';
import { proxyConfig, proxyPaths, proxyStopPolicy } from './proxy-config.ts';
import { proxyPart } from './proxy-objects.ts';
import { secretFiles } from './secret-files.ts';

/** The user and group that the proxy's image is made for. */
const proxyUser = 65_532;

/** A stopping proxy takes its time, and up to 22 s to settle what is left then: see `takeLeave`. */
const terminationSeconds =
  Math.ceil((proxyStopPolicy.lameDuckMs + proxyStopPolicy.callsMs) / 1000) + 25;

/**
 * The proxies. A new one is ready before an old one goes, one at a time. A proxy reads its
 * configuration when it starts, so a new one replaces them; it reads secrets again and again, so those
 * are not in the template.
 */
export function proxyDeployment(context: ClusterContext, transport: StorageTransport): Deployment {
  const { proxy, imagePullSecrets } = context.spec;
  const selector = selectorOf(context, proxyPart);
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: ownedMeta(context, proxyPart, objectNames.proxy(context.name)),
    spec: {
      replicas: proxy.replicas,
      minReadySeconds: 10,
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
      selector,
      template: {
        metadata: {
          labels: labelsOf(context, proxyPart),
          annotations: { [proxyConfigChecksumKey]: proxyConfigChecksum(context, transport) },
        },
        spec: {
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          terminationGracePeriodSeconds: terminationSeconds,
          securityContext: restrictedPod(proxyUser),
          imagePullSecrets,
          ...spreadPlacement(proxy, selector),
          containers: [container(context)],
          volumes: volumes(context),
        },
      },
    },
  };
}

/** The annotation that tells what configuration a proxy has started with. */
export const proxyConfigChecksumKey = 'gitaly.dev/config-checksum';

/** Changes whenever the configuration does. */
export function proxyConfigChecksum(context: ClusterContext, transport: StorageTransport): string {
  return context.digest(JSON.stringify(proxyConfig(context, transport)));
}

function container({ spec }: ClusterContext): Container {
  const hasTls = spec.tls.proxySecret !== undefined;
  return {
    name: 'proxy',
    image: spec.proxy.image,
    imagePullPolicy: 'IfNotPresent',
    command: ['node', ...proxyNodeOptions, '/app/proxy.js', '--config', proxyPaths.configFile],
    // Its name is a proxy's identity among the others.
    env: [{ name: 'POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }],
    ports: [
      { name: 'grpc', containerPort: grpcPort, protocol: 'TCP' },
      ...(hasTls
        ? [{ name: 'grpc-tls', containerPort: grpcTlsPort, protocol: 'TCP' as const }]
        : []),
      { name: 'http', containerPort: httpPort, protocol: 'TCP' },
    ],
    ...(spec.proxy.resources && { resources: spec.proxy.resources }),
    startupProbe: {
      httpGet: { path: '/livez', port: 'http' },
      periodSeconds: 1,
      timeoutSeconds: 2,
      failureThreshold: 60,
    },
    readinessProbe: {
      httpGet: { path: '/readyz', port: 'http' },
      periodSeconds: 2,
      timeoutSeconds: 2,
      failureThreshold: 2,
    },
    livenessProbe: {
      httpGet: { path: '/livez', port: 'http' },
      periodSeconds: 10,
      timeoutSeconds: 5,
      failureThreshold: 3,
    },
    securityContext: restrictedContainer,
    volumeMounts: [...volumeMounts, ...tlsMounts(spec)],
  };
}

const volumeMounts: readonly VolumeMount[] = [
  // The folder, not the file: only then does Kubernetes bring changes into a running pod.
  { name: 'config', mountPath: proxyPaths.configDir, readOnly: true },
  { name: 'client-tokens', mountPath: proxyPaths.clientTokenDir, readOnly: true },
  { name: 'gitaly-token', mountPath: proxyPaths.gitalyTokenDir, readOnly: true },
  { name: 'database', mountPath: proxyPaths.databaseDir, readOnly: true },
  { name: 'tmp', mountPath: '/tmp' },
];

function volumes({ name, spec }: ClusterContext): Volume[] {
  return [
    { name: 'config', configMap: { name: objectNames.proxyConfig(name) } },
    tokenVolume('client-tokens', spec.clientToken),
    tokenVolume('gitaly-token', { name: objectNames.gitalyToken(name), key: generatedTokenKey }),
    { name: 'database', secret: { secretName: spec.database.secretName } },
    { name: 'tmp', emptyDir: {} },
    ...tlsVolumes(spec),
  ];
}

/** The token, and the one before it as long as the Secret holds it: a rotation rolls nothing. */
function tokenVolume(volume: string, { name, key }: SecretKey): Volume {
  return {
    name: volume,
    projected: {
      sources: [
        { secret: { name, items: [{ key, path: 'token' }] } },
        {
          secret: {
            name,
            items: [{ key: previousTokenKey, path: previousTokenKey }],
            optional: true,
          },
        },
      ],
    },
  };
}

function tlsMounts({ tls }: ClusterContext['spec']): VolumeMount[] {
  return [
    ...(tls.proxySecret === undefined
      ? []
      : [{ name: 'tls', mountPath: proxyPaths.tlsDir, readOnly: true }]),
    ...(tls.storageSecret === undefined
      ? []
      : [{ name: 'storage-ca', mountPath: proxyPaths.storageCaDir, readOnly: true }]),
  ];
}

/** Only names: a renewed certificate changes a file, and no pod. */
function tlsVolumes({ tls }: ClusterContext['spec']): Volume[] {
  return [
    ...(tls.proxySecret === undefined
      ? []
      : [secretFiles('tls', tls.proxySecret, [tlsKeys.certificate, tlsKeys.key])]),
    ...(tls.storageSecret === undefined
      ? []
      : [secretFiles('storage-ca', tls.storageSecret, [tlsKeys.authority])]),
  ];
}
