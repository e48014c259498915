import {
  addresses,
  clusterLink,
  controlPlaneNamespace,
  hostLink,
  isOurNamespace,
  type NodePlan,
} from './addresses.ts';
import { run, tryRun } from './run.ts';

/** The switch that the nodes' cables are plugged into. */
const bridge = 'br0';

/** Makes the control plane's namespace with the switch in it, and the machine's link to it. */
export async function createNetwork(nodes: readonly NodePlan[]): Promise<void> {
  const inside = `-n ${controlPlaneNamespace}`;
  await ip(`netns add ${controlPlaneNamespace}`);
  await ip(`${inside} link set lo up`);
  await ip(`${inside} link add ${bridge} type bridge`);
  await ip(`${inside} addr add ${addresses.controlPlane}/24 dev ${bridge}`);
  await ip(`${inside} link set ${bridge} up`);
  await forward(controlPlaneNamespace);

  const peer = `peer name ${hostLink} netns ${process.pid}`;
  await ip(`${inside} link add ${clusterLink} type veth ${peer}`);
  await ip(`${inside} addr add ${addresses.clusterEnd}/30 dev ${clusterLink}`);
  await ip(`${inside} link set ${clusterLink} up`);
  await ip(`addr add ${addresses.hostEnd}/30 dev ${hostLink}`);
  await ip(`link set ${hostLink} up`);
  await ip(`route add ${addresses.all} via ${addresses.clusterEnd} dev ${hostLink}`);

  for (const node of nodes) {
    await createNodeNetwork(node, nodes);
    await ip(`${inside} route add ${node.pods} via ${node.address}`);
  }
  // Packets to services need some way out before kube-proxy's rules give them a real address.
  await ip(`${inside} route add ${addresses.services} dev ${bridge}`);
}

async function createNodeNetwork(node: NodePlan, nodes: readonly NodePlan[]): Promise<void> {
  const inside = `-n ${node.namespace}`;
  const outside = `-n ${controlPlaneNamespace}`;
  await ip(`netns add ${node.namespace}`);
  await ip(`${inside} link set lo up`);
  await ip(`${outside} link add ${node.cable} type veth peer name eth0 netns ${node.namespace}`);
  await ip(`${outside} link set ${node.cable} master ${bridge} up`);
  await ip(`${inside} addr add ${node.address}/24 dev eth0`);
  await ip(`${inside} link set eth0 up`);
  await ip(`${inside} route add default via ${addresses.controlPlane}`);
  // Pods have routes of their own. Whoever asks for one that is gone gets no answer, as on a
  // network that knows no such address; else the node would send the packet back where it came from.
  await ip(`${inside} route add blackhole ${node.pods}`);
  for (const other of nodes) {
    if (other.name === node.name) continue;
    await ip(`${inside} route add ${other.pods} via ${other.address}`);
  }
  await forward(node.namespace);
}

/** Pulls a node's cable. Its processes go on. */
export async function unplug(node: NodePlan): Promise<void> {
  await ip(`-n ${controlPlaneNamespace} link set ${node.cable} down`);
}

/** Plugs it in again. */
export async function plugIn(node: NodePlan): Promise<void> {
  await ip(`-n ${controlPlaneNamespace} link set ${node.cable} up`);
}

/** The rules of a node that drop what goes to or comes from a pod have this number. */
const dropRule = 100;

/** Drops everything that gets to a pod of a node, or comes from it. Nobody is told. */
export async function cutOffPod(node: NodePlan, address: string): Promise<void> {
  for (const way of ['to', 'from']) {
    await ip(`-n ${node.namespace} rule add pref ${dropRule} ${way} ${address} blackhole`);
  }
}

/** Ends that, for one address or for all. */
export async function letThrough(node: NodePlan, address?: string): Promise<void> {
  for (const way of ['to', 'from']) {
    const which = address === undefined ? [] : [way, address];
    const rule = ['-n', node.namespace, 'rule', 'del', 'pref', String(dropRule), ...which];
    // Each takes one rule away, and fails when there is none left.
    while ((await tryRun('ip', rule)).status === 0);
  }
}

/**
 * Removes the links to pods that a node had before it lost its power, with their routes. The kernel
 * does it some time after the pod is gone: a new pod of the same address would lose its route then.
 */
export async function removePodLinks(node: NodePlan): Promise<void> {
  const links = await ip(`-n ${node.namespace} -o link show type veth`);
  for (const [, name] of links.matchAll(/^\d+: (veth[0-9a-f]+)@/gm)) {
    // The kernel may have been quicker.
    await tryRun('ip', ['-n', node.namespace, 'link', 'delete', name ?? '']);
  }
}

/** Whether a node's cable is plugged in. */
export async function isPluggedIn(node: NodePlan): Promise<boolean> {
  const link = await ip(`-n ${controlPlaneNamespace} link show ${node.cable}`);
  return /<[^>]*\bUP\b/.test(link);
}

/** The arguments that run a command in a namespace, with `ip` as the command. */
export function insideNamespace(namespace: string, command: readonly string[]): readonly string[] {
  return ['netns', 'exec', namespace, ...command];
}

/** The namespaces that a testbed has left or is using. */
export async function ourNamespaces(): Promise<readonly string[]> {
  const list = await tryRun('ip', ['netns', 'list']);
  return list.stdout
    .split('\n')
    .map((line) => line.split(' ')[0] ?? '')
    .filter(isOurNamespace);
}

/** The numbers of all processes in a namespace, recorded or not. */
export async function processesIn(namespace: string): Promise<readonly number[]> {
  const pids = await tryRun('ip', ['netns', 'pids', namespace]);
  return pids.stdout
    .split('\n')
    .filter((line) => line !== '')
    .map(Number);
}

/** Removes the namespaces, links and routes of {@link createNetwork}, or what there is of them. */
export async function removeNetwork(): Promise<void> {
  for (const namespace of await ourNamespaces()) await ip(`netns delete ${namespace}`);
  // The link goes with its other end, but later; and alone if that end was never made.
  await tryRun('ip', ['link', 'delete', hostLink]);
}

async function forward(namespace: string): Promise<void> {
  const settings = ['net.ipv4.ip_forward=1', 'net.ipv4.conf.all.rp_filter=0'];
  await run('ip', insideNamespace(namespace, ['sysctl', '-q', '-w', ...settings]));
  // Where this module is loaded, it would send the switch's frames through the machine's rules.
  const bridgeFilter = 'net.bridge.bridge-nf-call-iptables=0';
  await tryRun('ip', insideNamespace(namespace, ['sysctl', '-q', '-w', bridgeFilter]));
}

/** Runs `ip` with arguments that hold no blanks. */
function ip(line: string): Promise<string> {
  return run('ip', line.split(' '));
}
