import type { NodePlan } from './addresses.ts';
import type { ImageArchive } from './base-image.ts';
import { podProcesses } from './cgroups.ts';
import { cutOffPod, letThrough, plugIn, unplug } from './network.ts';
import type { Node } from './node.ts';

/** A pod, as far as faults need to know it. */
interface PodOnNode {
  readonly node: string;
  readonly uid: string;
  /** Its address in the cluster. */
  readonly address: string;
}

/** What tests do to nodes and to what runs on them. Nodes go by their names in Kubernetes; an unknown one is an error. */
export interface NodeFaults {
  /** The nodes that there are, powered or not. */
  readonly names: readonly string[];
  /** Loss of power: SIGKILL to everything on the node at once. What it wrote to disk stays. */
  powerOff(node: string): Promise<void>;
  /** Boots a node. Resolves when its kubelet runs; Kubernetes finds it ready some seconds later. */
  powerOn(node: string): Promise<void>;
  /** Cuts a node and its pods off from all others. Its processes go on. */
  disconnect(node: string): Promise<void>;
  /** Ends that. */
  reconnect(node: string): Promise<void>;
  /** Stops the node's kubelet only: pods go on, and no one watches them. */
  stopKubelet(node: string): Promise<void>;
  /** Starts it again. */
  startKubelet(node: string): Promise<void>;
  /** Sends a signal to every process of a pod's containers. Resolves with how many there were. */
  signalPod(pod: PodOnNode, signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): Promise<number>;
  /** Drops all that gets to a pod or comes from it, and tells nobody. */
  cutOffPod(pod: PodOnNode): Promise<void>;
  /** Ends that. */
  letThrough(pod: PodOnNode): Promise<void>;
}

/** Fault commands for nodes of the testbed. `images` are those that a node must have. */
export function nodeFaults(
  nodes: readonly Node[],
  images: () => Promise<readonly ImageArchive[]>,
): NodeFaults {
  const names = nodes.map(({ plan }) => plan.name);
  const find = (name: string): Node => {
    const node = nodes.find(({ plan }) => plan.name === name);
    if (node === undefined) throw new Error(`no node ${name}; there are ${names.join(', ')}`);
    return node;
  };
  const planOf = (name: string): NodePlan => find(name).plan;
  return {
    names,
    powerOff: async (name) => find(name).powerOff(),
    powerOn: async (name) => bringUp(find(name), await images()),
    disconnect: async (name) => unplug(planOf(name)),
    reconnect: async (name) => plugIn(planOf(name)),
    stopKubelet: async (name) => find(name).stopKubelet(),
    startKubelet: async (name) => find(name).startKubelet(),
    signalPod: ({ node, uid }, signal) => signalAll(() => podProcesses(node, uid), signal),
    cutOffPod: async ({ node, address }) => cutOffPod(planOf(node), address),
    letThrough: async ({ node, address }) => letThrough(planOf(node), address),
  };
}

/** Lets everything go on that stands still on a node or is cut off. */
export async function endPodFaults({ plan }: Node): Promise<void> {
  await signalAll(() => podProcesses(plan.name), 'SIGCONT');
  await letThrough(plan);
}

/** Signals processes until there are none that have not got it: those that run may start others. */
async function signalAll(
  processes: () => Promise<readonly number[]>,
  signal: NodeJS.Signals,
): Promise<number> {
  const signalled = new Set<number>();
  for (;;) {
    const fresh = (await processes()).filter((pid) => !signalled.has(pid));
    if (fresh.length === 0) return signalled.size;
    for (const pid of fresh) {
      signalled.add(pid);
      signalOne(pid, signal);
    }
  }
}

function signalOne(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended between the look and the signal.
  }
}

/** Boots a node if it is off, gives it the images that it lacks, and lets its kubelet run. */
export async function bringUp(node: Node, images: readonly ImageArchive[]): Promise<void> {
  if (!(await node.isOn())) await node.powerOn();
  await node.importImages(images);
  await node.startKubelet();
}
