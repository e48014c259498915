import type { ConfigMap, PodDisruptionBudget, Service } from '../api/kubernetes.ts';
import { grpcPort, grpcTlsPort, httpPort, objectNames } from '../api/names.ts';
import type { ClusterContext, StorageTransport } from './cluster-context.ts';
import { ownedMeta, selectorLabels, selectorOf, type Part } from './object-meta.ts';
import { proxyConfig } from './proxy-config.ts';

/** The part of a cluster that the proxies' objects belong to. */
export const proxyPart: Part = { component: 'proxy' };

/** The configuration of the proxies. */
export function proxyConfigMap(context: ClusterContext, transport: StorageTransport): ConfigMap {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: ownedMeta(context, proxyPart, objectNames.proxyConfig(context.name)),
    data: { 'config.json': `${JSON.stringify(proxyConfig(context, transport), null, 2)}\n` },
  };
}

/** What GitLab connects to. */
export function proxyService(context: ClusterContext): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: ownedMeta(context, proxyPart, objectNames.proxy(context.name)),
    spec: {
      selector: selectorLabels(context, proxyPart),
      ports: [...grpcPorts(context), { name: 'http-metrics', port: httpPort, targetPort: 'http' }],
    },
  };
}

function grpcPorts({ spec }: ClusterContext): Service['spec']['ports'] {
  return [
    { name: 'tcp-gitaly', port: grpcPort, targetPort: 'grpc' },
    ...(spec.tls.proxySecret === undefined
      ? []
      : [{ name: 'tls-gitaly', port: grpcTlsPort, targetPort: 'grpc-tls' }]),
  ];
}

/** Its name resolves to the address of each ready proxy, for clients that balance by themselves. */
export function proxyHeadlessService(context: ClusterContext): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: ownedMeta(context, proxyPart, objectNames.proxyHeadless(context.name)),
    spec: {
      clusterIP: 'None',
      selector: selectorLabels(context, proxyPart),
      ports: grpcPorts(context),
    },
  };
}

/** At most one proxy may be evicted at a time. */
export function proxyDisruptionBudget(context: ClusterContext): PodDisruptionBudget {
  return {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: ownedMeta(context, proxyPart, objectNames.proxy(context.name)),
    spec: {
      maxUnavailable: 1,
      unhealthyPodEvictionPolicy: 'AlwaysAllow',
      selector: selectorOf(context, proxyPart),
    },
  };
}
