import type { Cluster } from '../testbed/cluster.ts';

const name = 'external-database';
const port = 5432;
const labels = { app: name };
const coordinates = {
  host: name,
  port: String(port),
  dbname: 'gitaly',
  username: 'gitaly',
  password: 'the scenario has nothing to hide',
};

/** The `database` part of a GitalyCluster's spec that goes with {@link installExternalDatabase}. */
export const externalDatabaseSpec = { secretRef: { name } };

/**
 * Installs a PostgreSQL that stays where nodes are drained, as one outside of the cluster does: it is of a DaemonSet,
 * which `kubectl drain` passes by, on one node. It keeps nothing when its pod goes.
 */
export async function installExternalDatabase(
  cluster: Cluster,
  namespace: string,
  node: string,
): Promise<void> {
  const metadata = { name, namespace };
  const items = [
    { apiVersion: 'v1', kind: 'Secret', metadata, stringData: coordinates },
    { apiVersion: 'v1', kind: 'Service', metadata, spec: { selector: labels, ports: [{ port }] } },
    {
      apiVersion: 'apps/v1',
      kind: 'DaemonSet',
      metadata,
      spec: {
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: podSpec(cluster, node) },
      },
    },
  ];
  const list = { apiVersion: 'v1', kind: 'List', items };
  await cluster.kubectl(['apply', '-f', '-'], { input: JSON.stringify(list) });
  const path = ['-n', namespace, 'rollout', 'status', `daemonset/${name}`, '--timeout', '120s'];
  await cluster.kubectl(path, { limitMs: 130_000 });
}

function podSpec(cluster: Cluster, node: string): object {
  return {
    nodeSelector: { 'kubernetes.io/hostname': node },
    securityContext: { runAsNonRoot: true, runAsUser: 999, runAsGroup: 999, fsGroup: 999 },
    containers: [
      {
        name: 'postgresql',
        image: cluster.images.postgres,
        imagePullPolicy: 'IfNotPresent',
        env: [
          { name: 'POSTGRES_USER', value: coordinates.username },
          { name: 'POSTGRES_PASSWORD', value: coordinates.password },
          { name: 'POSTGRES_DB', value: coordinates.dbname },
          { name: 'PGDATA', value: '/data/pgdata' },
        ],
        readinessProbe: { tcpSocket: { port }, periodSeconds: 1 },
        volumeMounts: [
          { name: 'data', mountPath: '/data' },
          { name: 'run', mountPath: '/var/run/postgresql' },
        ],
      },
    ],
    volumes: [
      { name: 'data', emptyDir: {} },
      { name: 'run', emptyDir: {} },
    ],
  };
}
