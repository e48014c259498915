import type { Cluster } from '../testbed/cluster.ts';

/** Where the operator is installed. */
export const operatorNamespace = 'gitaly-operator';
const release = 'gitaly-operator';

/** How the operator is installed. */
export interface InstallOptions {
  /** Default: the one under test. */
  readonly image?: string;
  /** Whether it may cordon nodes. Default: false, as the chart has it. */
  readonly cordonsNodes?: boolean;
}

/** Installs the chart with the images under test, or brings what is installed up to date. */
export async function installOperator(
  cluster: Cluster,
  { image = cluster.images.operator, cordonsNodes = false }: InstallOptions = {},
): Promise<void> {
  const { repository, tag } = splitImage(image);
  await cluster.helm(
    [
      'upgrade',
      '--install',
      release,
      'charts/gitaly-operator',
      '--namespace',
      operatorNamespace,
      '--create-namespace',
      '--set',
      `image.repository=${repository},image.tag=${tag},nodes.cordon=${cordonsNodes}`,
      '--wait',
      '--timeout',
      '3m',
    ],
    { limitMs: 200_000 },
  );
}

/** The operator's pod that acts; empty if none does. */
export function leaderOf(cluster: Cluster): Promise<string> {
  const path = ['-n', operatorNamespace, 'get', 'lease', 'gitaly-operator'];
  return cluster.kubectl([...path, '-o', 'jsonpath={.spec.holderIdentity}']);
}

function splitImage(image: string): { readonly repository: string; readonly tag: string } {
  const colon = image.lastIndexOf(':');
  if (colon <= image.lastIndexOf('/')) throw new Error(`image ${image} has no tag`);
  return { repository: image.slice(0, colon), tag: image.slice(colon + 1) };
}

/** An empty namespace: what an earlier run left in one of this name goes, volumes included. Proxies may take 5 min. */
export async function freshNamespace(cluster: Cluster, name: string): Promise<void> {
  const deletion = ['delete', 'namespace', name, '--ignore-not-found', '--timeout', '400s'];
  await cluster.kubectl(deletion, { limitMs: 410_000 });
  await cluster.kubectl(['create', 'namespace', name]);
}

/** Has a namespace removed with all that is in it, and does not wait for that. */
export async function dropNamespace(cluster: Cluster, name: string): Promise<void> {
  await cluster.kubectl(['delete', 'namespace', name, '--ignore-not-found', '--wait=false']);
}
