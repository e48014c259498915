import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type NodePlan } from './addresses.ts';
import type { ImageArchive } from './base-image.ts';
import { createNodeGroup, removeNodeGroup } from './cgroups.ts';
import { plantSeed } from './containerd-seed.ts';
import { cniFolders, isOnMachine } from './debian-tools.ts';
import {
  cniConfig,
  containerdConfig,
  containerdSocket,
  kubeletConfig,
  kubeProxyConfig,
  type NodePlaces,
  volumesFolder,
} from './node-config.ts';
import { plugIn, removePodLinks, unplug } from './network.ts';
import { type Paths, stateLayout } from './paths.ts';
import { kubeconfigOf } from './pki.ts';
import { childrenOf, killAndWait, type Processes } from './processes.ts';
import { waitFor, waitUntil } from './progress.ts';
import { tryRun } from './run.ts';

/** What a node needs of its surroundings. */
export interface NodeContext {
  readonly paths: Paths;
  /** The folder of the Kubernetes binaries. */
  readonly binaries: string;
  readonly processes: Processes;
}

const bootLimitMs = 60_000;
const importLimitMs = 180_000;
const stopLimitMs = 60_000;

/** A node: namespaces, and in them containerd, kubelet and kube-proxy. */
export class Node {
  readonly plan: NodePlan;
  readonly #context: NodeContext;
  readonly #folder: string;

  constructor(plan: NodePlan, context: NodeContext) {
    this.plan = plan;
    this.#context = context;
    this.#folder = stateLayout(context.paths.state).node(plan.name);
  }

  /** Whether it has power. */
  async isOn(): Promise<boolean> {
    return (await this.#context.processes.find(this.plan.name)) !== undefined;
  }

  /** Gives a node that was never on the images of a seed. */
  async install(seed: string): Promise<void> {
    await mkdir(join(this.#folder, 'disk'), { recursive: true });
    await plantSeed(seed, join(this.#folder, 'disk', 'containerd'));
  }

  /** Boots it up to where it takes images. kubelet waits for {@link startKubelet}. */
  async powerOn(): Promise<void> {
    await this.#configure();
    await removePodLinks(this.plan);
    await removeNodeGroup(this.plan.name);
    await createNodeGroup(this.plan.name);
    await plugIn(this.plan);
    await writeFile(this.#stoppedFile(), '');
    await this.#context.processes.start({
      name: this.plan.name,
      command: 'nsenter',
      args: this.#bootCommand(),
    });
    await waitFor(`containerd on ${this.plan.name}`, { limitMs: bootLimitMs }, async () => {
      const version = await this.#ctr(['version']).catch(() => undefined);
      if (version?.status === 0) return { kind: 'done', value: undefined };
      if (!(await this.isOn())) throw new Error(`${this.plan.name} died; see ${this.#log()}`);
      return { kind: 'waiting', for: version?.stderr.trim() || 'no first process' };
    });
  }

  /**
   * Loss of power: every process of the node is killed at once. The cable goes first: a machine
   * without power sends no FIN for its connections and no RST to those who ask.
   */
  async powerOff(): Promise<void> {
    await unplug(this.plan);
    const init = await this.#init();
    if (init !== undefined) await killAndWait(init);
    await this.#context.processes.kill(this.plan.name);
  }

  /** Imports the images that it doesn't have, in order. */
  async importImages(archives: readonly ImageArchive[]): Promise<void> {
    const present = await this.#images();
    for (const { name, file } of archives) {
      if (present.has(name)) continue;
      const command = ['images', 'import', '--all-platforms=false', file];
      const { status, stderr } = await this.#ctr(command, importLimitMs);
      if (status !== 0) throw new Error(`${this.plan.name} can't import ${name}: ${stderr}`);
    }
  }

  /** Lets kubelet run, and restart whenever it ends. */
  async startKubelet(): Promise<void> {
    await rm(this.#stoppedFile(), { force: true });
    const options = { limitMs: bootLimitMs };
    await waitUntil(`kubelet on ${this.plan.name}`, options, () => this.isKubeletOn());
  }

  /** Ends kubelet (SIGTERM) and keeps it from starting again. Containers go on. */
  async stopKubelet(): Promise<void> {
    await writeFile(this.#stoppedFile(), '');
    const [init, pid] = [await this.#init(), await this.#kubeletPid()];
    if (init === undefined || pid === undefined) return;
    // The number means something only inside the node.
    await tryRun('nsenter', ['--target', String(init.pid), '--pid', 'kill', '-TERM', pid]);
    const options = { limitMs: stopLimitMs };
    await waitUntil(`the end of kubelet on ${this.plan.name}`, options, async () => {
      return (await this.#kubeletPid()) === undefined;
    });
  }

  /** Whether kubelet runs. */
  async isKubeletOn(): Promise<boolean> {
    return (await this.isOn()) && (await this.#kubeletPid()) !== undefined;
  }

  #bootCommand(): readonly string[] {
    const { paths, binaries } = this.#context;
    const { name, address, namespace } = this.plan;
    const layout = stateLayout(paths.state);
    const namespaces = ['--mount', '--mount-proc', '--pid', '--uts', '--ipc'];
    const init = join(paths.source, 'node-init.sh');
    const kubeconfig = kubeconfigOf(layout.pki, name);
    return [
      `--net=/run/netns/${namespace}`,
      'unshare',
      ...namespaces,
      '--fork',
      '--kill-child',
      init,
      name,
      address,
      this.#folder,
      layout.logs,
      binaries,
      kubeconfig,
      volumesFolder,
    ];
  }

  async #configure(): Promise<void> {
    const layout = stateLayout(this.#context.paths.state);
    const kubeProxyKubeconfig = kubeconfigOf(layout.pki, 'kube-proxy');
    const places: NodePlaces = {
      folder: this.#folder,
      authority: join(layout.pki, 'ca.crt'),
      kubeProxyKubeconfig,
      cniPlugins: await cniPlugins(),
    };
    const files = {
      'containerd.toml': containerdConfig(places),
      'cni/10-testbed.conflist': cniConfig(this.plan),
      'kubelet.yaml': kubeletConfig(this.plan, places),
      'kube-proxy.yaml': kubeProxyConfig(this.plan.name, kubeProxyKubeconfig),
      'resolv.conf': '',
    };
    await mkdir(join(this.#folder, 'cni'), { recursive: true });
    for (const [file, content] of Object.entries(files)) {
      await writeFile(join(this.#folder, file), content);
    }
  }

  /** Process 1 of the node: the only child of the process that made its namespaces. */
  async #init() {
    const launcher = await this.#context.processes.find(this.plan.name);
    return launcher && (await childrenOf(launcher.pid))[0];
  }

  async #images(): Promise<ReadonlySet<string>> {
    const { status, stdout, stderr } = await this.#ctr(['images', 'list', '--quiet']);
    if (status !== 0) throw new Error(`${this.plan.name} can't list its images: ${stderr}`);
    return new Set(stdout.trim().split('\n'));
  }

  async #ctr(args: readonly string[], limitMs = 60_000) {
    const init = await this.#init();
    if (init === undefined) throw new Error(`${this.plan.name} is off`);
    const socket = `/proc/${init.pid}/root${containerdSocket}`;
    return tryRun('ctr', ['--address', socket, '--namespace', 'k8s.io', ...args], { limitMs });
  }

  async #kubeletPid(): Promise<string | undefined> {
    const text = await readFile(join(this.#folder, 'kubelet.pid'), 'utf8').catch(() => '');
    return text.trim() || undefined;
  }

  #stoppedFile(): string {
    return join(this.#folder, 'kubelet.stopped');
  }

  #log(): string {
    return this.#context.processes.logFile(this.plan.name);
  }
}

async function cniPlugins(): Promise<string> {
  for (const folder of cniFolders) if (await isOnMachine(join(folder, 'ptp'))) return folder;
  throw new Error(`no CNI plugins in ${cniFolders.join(' or ')}`);
}
