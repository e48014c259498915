import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { planNodes } from './addresses.ts';
import type { ImageArchive } from './base-image.ts';
import { nodeFaults, type NodeFaults } from './faults.ts';
import { type KubernetesTools, kubernetesTools, toolEnvironment } from './kubernetes-tools.ts';
import { isPluggedIn } from './network.ts';
import { Node } from './node.ts';
import { type Paths, stateLayout } from './paths.ts';
import { kubeconfigOf } from './pki.ts';
import { Processes, writeJson } from './processes.ts';
import { inParallel } from './progress.ts';

/** Nodes of a testbed. */
const nodeCount = 3;

/** Where the programs are that a testbed runs. */
export interface Binaries {
  /** The folder of the Kubernetes binaries. */
  readonly kubernetes: string;
  /** The folder of helm. */
  readonly tools: string;
}

/** The state of one node. */
export interface NodeStatus {
  readonly name: string;
  readonly powered: boolean;
  readonly connected: boolean;
  readonly kubelet: boolean;
}

/** A handle on a testbed that runs, or is being started. Holds nothing open. */
export class RunningTestbed {
  readonly kubeconfig: string;
  readonly nodes: readonly Node[];
  readonly faults: NodeFaults;
  readonly tools: KubernetesTools;
  /** For a caller that gives kubectl its own terminal. */
  readonly kubectlCommand: {
    readonly command: string;
    readonly env: Readonly<Record<string, string>>;
  };
  readonly processes: Processes;
  readonly #imagesFile: string;

  constructor(paths: Paths, binaries: Binaries) {
    const layout = stateLayout(paths.state);
    this.#imagesFile = layout.images;
    this.kubeconfig = kubeconfigOf(layout.pki, 'admin');
    this.processes = new Processes(layout.processes, layout.logs);
    const context = { paths, binaries: binaries.kubernetes, processes: this.processes };
    this.nodes = planNodes(nodeCount).map((plan) => new Node(plan, context));
    this.faults = nodeFaults(this.nodes, () => this.images());
    const places = {
      kubectl: join(binaries.kubernetes, 'kubectl'),
      helm: join(binaries.tools, 'helm'),
      kubeconfig: this.kubeconfig,
      scratch: layout.scratch,
    };
    this.tools = kubernetesTools(places);
    this.kubectlCommand = { command: places.kubectl, env: toolEnvironment(places) };
  }

  /** The images that every node must have; a node that boots gets those that it lacks. */
  async images(): Promise<readonly ImageArchive[]> {
    const text = await readFile(this.#imagesFile, 'utf8').catch(() => '[]');
    return JSON.parse(text) as ImageArchive[];
  }

  /** Adds to these images, and imports them, in order, into the nodes that are on. */
  async loadImages(archives: readonly ImageArchive[]): Promise<void> {
    const known = (await this.images()).filter(
      ({ name }) => !archives.some((it) => it.name === name),
    );
    await writeJson(this.#imagesFile, [...known, ...archives]);
    await inParallel(this.nodes, async (node) => {
      if (await node.isOn()) await node.importImages(archives);
    });
  }

  /** How each node is. */
  nodeStatus(): Promise<readonly NodeStatus[]> {
    return inParallel(this.nodes, async (node) => ({
      name: node.plan.name,
      powered: await node.isOn(),
      connected: await isPluggedIn(node.plan).catch(() => false),
      kubelet: await node.isKubeletOn(),
    }));
  }
}
