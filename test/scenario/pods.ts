import type { Cluster } from '../testbed/cluster.ts';
import { waitFor } from './wait-for.ts';

/** A pod, as far as the scenarios look at it. */
export interface PodPlace {
  readonly name: string;
  readonly uid: string;
  readonly node: string;
  /** Empty before it has one. */
  readonly address: string;
}

/** The pods that a label selector names, without those that are going. */
export async function podsOf(
  cluster: Cluster,
  namespace: string,
  selector: string,
): Promise<readonly PodPlace[]> {
  const text = await cluster.kubectl([
    '-n',
    namespace,
    'get',
    'pods',
    '-l',
    selector,
    '-o',
    'json',
  ]);
  const { items } = JSON.parse(text) as {
    items: {
      metadata: { name: string; uid: string; deletionTimestamp?: string };
      spec: { nodeName?: string };
      status: { podIP?: string };
    }[];
  };
  return items
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    .map(({ metadata: { name, uid }, spec, status }) => ({
      name,
      uid,
      node: spec.nodeName ?? '',
      address: status.podIP ?? '',
    }));
}

/** How often the containers of each pod were started again, by the pod's name and unique id. */
export async function restartsOf(
  cluster: Cluster,
  namespace: string,
  selector: string,
): Promise<ReadonlyMap<string, number>> {
  const path = ['-n', namespace, 'get', 'pods', '-l', selector, '-o', 'json'];
  const { items } = JSON.parse(await cluster.kubectl(path)) as {
    items: {
      metadata: { name: string; uid: string };
      status: { containerStatuses?: { restartCount: number }[] };
    }[];
  };
  return new Map(
    items.map(({ metadata, status }) => {
      const counts = (status.containerStatuses ?? []).map(({ restartCount }) => restartCount);
      return [`${metadata.name} ${metadata.uid}`, counts.reduce((sum, count) => sum + count, 0)];
    }),
  );
}

/** The images of the pods' first containers, each once. */
export async function imagesOf(
  cluster: Cluster,
  namespace: string,
  selector: string,
): Promise<readonly string[]> {
  const path = ['-n', namespace, 'get', 'pods', '-l', selector, '-o'];
  const output = 'jsonpath={.items[*].spec.containers[0].image}';
  return [...new Set((await cluster.kubectl([...path, output])).split(' '))];
}

/**
 * Deletes a pod without a grace. Resolves when Kubernetes has forgotten it: its processes may run for some
 * seconds more.
 */
export async function killPod(cluster: Cluster, namespace: string, name: string): Promise<void> {
  await cluster.kubectl(['-n', namespace, 'delete', 'pod', name, '--grace-period=0', '--force']);
}

/** Waits until a Deployment has as many ready pods as it wants, and no others. */
export async function waitForDeployment(
  cluster: Cluster,
  namespace: string,
  name: string,
  limitMs = 120_000,
): Promise<void> {
  const path = ['-n', namespace, 'rollout', 'status', `deployment/${name}`];
  await cluster.kubectl([...path, `--timeout=${limitMs / 1000}s`], { limitMs: limitMs + 10_000 });
}

/** Waits until Kubernetes holds a node for ready, or for not ready. */
export async function waitForNode(cluster: Cluster, node: string, ready: boolean): Promise<void> {
  const path = `jsonpath={.status.conditions[?(@.type=="Ready")].status}`;
  await waitFor(`node ${node} to be ${ready ? 'ready' : 'lost'}`, 120_000, async () => {
    const status = await cluster.kubectl(['get', 'node', node, '-o', path]);
    return (status === 'True') === ready ? undefined : `Ready is ${status}`;
  });
}

/** What pods have logged as a warning or worse, a line each: it tells why a test has failed. */
export async function warningsSince(
  cluster: Cluster,
  namespace: string,
  selector: string,
  since: Date,
): Promise<string> {
  const logs = ['-n', namespace, 'logs', '-l', selector, '--prefix', '--tail=-1'];
  const text = await cluster
    .kubectl([...logs, `--since-time=${since.toISOString()}`])
    .catch((error: unknown) => `${String(error)}\n`);
  const isWarning = (line: string) => /"level":[456]0,/.test(line) || !line.includes('"level":');
  return text
    .split('\n')
    .filter((line) => line !== '' && isWarning(line))
    .map((line) => `${line}\n`)
    .join('');
}
