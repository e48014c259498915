import type { Cluster } from '../testbed/cluster.ts';

const name = 'gitlab';
const port = 8181;
const secretName = 'gitlab-shell-secret';
const labels = { app: name };

/** The `gitlab` part of a GitalyCluster's spec that goes with {@link installGitlab}. */
export const gitlabSpec = { url: `http://${name}:${port}`, secretRef: { name: secretName } };

/**
 * Installs the stand-in for GitLab: one a node, and each Gitaly asks the one on its own, so that a
 * node that dies takes away no other's.
 */
export async function installGitlab(cluster: Cluster, namespace: string): Promise<void> {
  const objects = { apiVersion: 'v1', kind: 'List', items: manifests(cluster, namespace) };
  await cluster.kubectl(['apply', '-f', '-'], { input: JSON.stringify(objects) });
  const path = ['-n', namespace, 'rollout', 'status', `daemonset/${name}`, '--timeout', '120s'];
  await cluster.kubectl(path, { limitMs: 130_000 });
}

function manifests(cluster: Cluster, namespace: string): readonly object[] {
  const metadata = { name, namespace };
  return [
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: secretName, namespace },
      stringData: { secret: 'the scenario has nothing to hide' },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata,
      spec: { selector: labels, ports: [{ port }], internalTrafficPolicy: 'Local' },
    },
    {
      apiVersion: 'apps/v1',
      kind: 'DaemonSet',
      metadata,
      spec: {
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: podSpec(cluster) },
      },
    },
  ];
}

function podSpec(cluster: Cluster): object {
  return {
    terminationGracePeriodSeconds: 1,
    securityContext: { runAsNonRoot: true, runAsUser: 1000 },
    containers: [
      {
        name,
        image: cluster.images.storageNode,
        imagePullPolicy: 'IfNotPresent',
        command: ['node', '/app/gitlab.js', String(port), '/secret/secret'],
        ports: [{ containerPort: port }],
        readinessProbe: { tcpSocket: { port }, periodSeconds: 1 },
        volumeMounts: [{ name: 'secret', mountPath: '/secret', readOnly: true }],
      },
    ],
    volumes: [{ name: 'secret', secret: { secretName } }],
  };
}
