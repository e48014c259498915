/** The one field manager of everything that the operator applies. */
export const fieldManager = 'gitaly-operator';

/** API group and version of our own kinds. */
export const apiVersion = 'gitaly.dev/v1alpha1';

/** The port of Gitaly's own protocol, on storages and proxies alike. */
export const grpcPort = 8075;

/** The same with TLS. */
export const grpcTlsPort = 8076;

/** The port of metrics; on proxies also of `/livez` and `/readyz`. */
export const httpPort = 9236;

/** The port of PostgreSQL. */
export const databasePort = 5432;

/** Labels that we select by. */
export const labelKeys = {
  cluster: 'gitaly.dev/cluster',
  virtualStorage: 'gitaly.dev/virtual-storage',
  component: 'app.kubernetes.io/component',
  managedBy: 'app.kubernetes.io/managed-by',
  /** On a pod that no PodDisruptionBudget of ours holds, as no client would miss it. Whatever its value. */
  evictable: 'gitaly.dev/evictable',
} as const;

/** When a pod got {@link labelKeys.evictable} last; it keeps that when it loses the label. RFC 3339. */
export const evictableSinceKey = 'gitaly.dev/evictable-since';

/** The part that a pod plays, as the value of its component label. */
export type Component = 'storage' | 'proxy' | 'database';

/** A key of a Secret. */
export interface SecretKey {
  readonly name: string;
  readonly key: string;
}

/** The names of a cluster's objects. Reserved virtual storage names (see the CRD) keep them apart. */
export const objectNames = {
  /** The StatefulSet, headless Service and PodDisruptionBudget of a virtual storage. */
  storages: (cluster: string, virtualStorage: string) => `${cluster}-${virtualStorage}`,
  /** A storage's pod, and the storage's name in Gitaly's own configuration. */
  storage: (cluster: string, virtualStorage: string, ordinal: number) =>
    `${cluster}-${virtualStorage}-${ordinal}`,
  /** The Secret with the configuration file of each storage of a virtual storage. */
  storageConfig: (cluster: string, virtualStorage: string) => `${cluster}-${virtualStorage}-config`,
  /** The Deployment, Service and PodDisruptionBudget of the proxies. */
  proxy: (cluster: string) => `${cluster}-proxy`,
  /** The Service whose DNS name resolves to each proxy. */
  proxyHeadless: (cluster: string) => `${cluster}-proxy-headless`,
  /** The ConfigMap of the proxies. */
  proxyConfig: (cluster: string) => `${cluster}-proxy-config`,
  /** The generated Secret with the token of the clients, under the key `token`. */
  clientToken: (cluster: string) => `${cluster}-client-token`,
  /** The generated Secret with the token of the Gitaly storages, under the key `token`. */
  gitalyToken: (cluster: string) => `${cluster}-gitaly-token`,
  /** The StatefulSet, Service and Secret of the managed database. */
  database: (cluster: string) => `${cluster}-database`,
} as const;

/** The key of the token in the Secrets that the operator generates. */
export const generatedTokenKey = 'token';

/** The key under which a token's Secret may hold another one that is good too, during a rotation. */
export const previousTokenKey = 'previous-token';

/** The keys of a Secret of type kubernetes.io/tls, and the one that cert-manager adds. */
export const tlsKeys = { certificate: 'tls.crt', key: 'tls.key', authority: 'ca.crt' } as const;
