import { setTimeout } from 'node:timers/promises';
import { assertNever } from '../../src/base/errors.ts';
import { podsOf, type PodPlace } from '../scenario/pods.ts';
import { operatorNamespace } from '../scenario/product.ts';
import { waitFor } from '../scenario/wait-for.ts';
import type { Cluster } from '../testbed/cluster.ts';
import type { NodeFaults } from '../testbed/faults.ts';
import type { Progress } from '../testbed/progress.ts';
import { describeFault, type Fault, type Target, type Wave } from './schedule.ts';

export interface FaultRunnerOptions {
  readonly cluster: Cluster;
  readonly nodes: NodeFaults;
  /** Where the cluster `gitaly` is. */
  readonly namespace: string;
  readonly progress: Pick<Progress, 'say'>;
}

/** Undoes a fault. */
type Mend = () => Promise<void>;

/** Where the stand-in for Gitaly takes faults (test/storage-node/fault-server.ts). */
const faultPort = 9998;

const mendLimitMs = 120_000;
const readyLimitMs = 300_000;

const labels = {
  storage: 'gitaly.dev/cluster=gitaly,app.kubernetes.io/component=storage',
  proxy: 'gitaly.dev/cluster=gitaly,app.kubernetes.io/component=proxy',
  database: 'gitaly.dev/cluster=gitaly,app.kubernetes.io/component=database',
  operator: 'app.kubernetes.io/name=gitaly-operator',
} as const;

/** Strikes a cluster on a testbed with the faults of a schedule. */
export class FaultRunner {
  readonly #options: FaultRunnerOptions;
  #struck = 0;

  constructor(options: FaultRunnerOptions) {
    this.#options = options;
  }

  /** Faults that have struck. One whose target another has taken away strikes nothing. */
  get struck(): number {
    return this.#struck;
  }

  /** Plays a wave. Resolves when all of its faults are mended and Kubernetes holds every pod for ready. */
  async play({ kind, faults, restMs }: Wave): Promise<void> {
    this.#options.progress.say(`${kind}: ${faults.map(describeFault).join(', ')}`);
    const played = await Promise.allSettled(faults.map((fault) => this.#play(fault)));
    const failed = played.find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    await this.#untilReady();
    await setTimeout(restMs);
  }

  async #play(fault: Fault): Promise<void> {
    await setTimeout(fault.afterMs);
    const mend = await this.#strike(fault);
    if (mend === undefined) {
      this.#options.progress.say(`missed: ${describeFault(fault)}`);
      return;
    }
    this.#struck += 1;
    await setTimeout(fault.forMs);
    await mend();
  }

  /** Resolves with undefined if there was nothing to strike. */
  async #strike({ what, whom }: Fault): Promise<Mend | undefined> {
    if (whom.kind === 'node') return this.#strikeNode(what, whom.index);
    const pod = await this.#pod(whom);
    if (pod === undefined) return undefined;
    const { nodes, cluster } = this.#options;
    switch (what) {
      case 'kill':
        return (await nodes.signalPod(pod, 'SIGKILL')) === 0 ? undefined : nothing;
      case 'restart':
        await cluster.kubectl([
          '-n',
          namespaceOf(whom, this.#options.namespace),
          'delete',
          'pod',
          pod.name,
          '--wait=false',
          '--ignore-not-found',
        ]);
        return nothing;
      case 'hang': {
        if ((await nodes.signalPod(pod, 'SIGSTOP')) === 0) return undefined;
        return async () => {
          await nodes.signalPod(pod, 'SIGCONT');
        };
      }
      case 'cut off':
        await nodes.cutOffPod(pod);
        return () => nodes.letThrough(pod);
      case 'fill':
        return this.#fill(whom, pod);
      case 'power off':
        throw new Error('only nodes have power');
      default:
        return assertNever(what);
    }
  }

  async #strikeNode(what: Fault['what'], index: number): Promise<Mend> {
    const { nodes } = this.#options;
    const node = nodes.names[index % nodes.names.length] ?? '';
    if (what === 'power off') {
      await nodes.powerOff(node);
      return () => nodes.powerOn(node);
    }
    await nodes.disconnect(node);
    return () => nodes.reconnect(node);
  }

  async #fill(whom: Target, pod: PodPlace): Promise<Mend | undefined> {
    const isFilled = await setDiskFull(pod, true).then(
      () => true,
      () => false,
    );
    if (!isFilled) return undefined;
    return () =>
      waitFor('room on a disk', mendLimitMs, async () => {
        // It may have been made anew meanwhile, elsewhere.
        const now = await this.#pod(whom);
        if (now === undefined) return 'there is no pod';
        await setDiskFull(now, false);
        return undefined;
      });
  }

  async #pod(target: Target): Promise<PodPlace | undefined> {
    if (target.kind === 'node') return undefined;
    const { cluster, namespace } = this.#options;
    const where = namespaceOf(target, namespace);
    const pods = await podsOf(cluster, where, labels[target.kind]);
    const pod = podOf(target, pods);
    return pod === undefined || pod.address === '' ? undefined : pod;
  }

  async #untilReady(): Promise<void> {
    const { cluster, namespace } = this.#options;
    const within = `--timeout=${readyLimitMs / 1000}s`;
    const limit = { limitMs: readyLimitMs + 10_000 };
    await cluster.kubectl(['wait', 'nodes', '--all', '--for=condition=Ready', within], limit);
    const ready = (count: number) => `--for=jsonpath={.status.readyReplicas}=${count}`;
    const workloads = [
      [operatorNamespace, 'deployment/gitaly-operator', 2],
      [namespace, 'statefulset/gitaly-database', 1],
      [namespace, 'statefulset/gitaly-default', 3],
      [namespace, 'deployment/gitaly-proxy', 2],
    ] as const;
    for (const [where, name, count] of workloads) {
      await cluster.kubectl(['-n', where, 'wait', name, ready(count), within], limit);
    }
  }
}

const nothing: Mend = async () => {};

/** A storage's pod goes by its number, also while that of another one is away. */
function podOf(target: Target, pods: readonly PodPlace[]): PodPlace | undefined {
  const index = 'index' in target ? target.index : 0;
  if (target.kind === 'storage') return pods.find(({ name }) => name.endsWith(`-${index}`));
  const inOrder = pods.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return inOrder[index % Math.max(1, inOrder.length)];
}

function namespaceOf(target: Target, namespace: string): string {
  return target.kind === 'operator' ? operatorNamespace : namespace;
}

/** @throws Error if the storage does not answer */
async function setDiskFull({ name, address }: PodPlace, isFull: boolean): Promise<void> {
  const url = `http://${address}:${faultPort}/disk-full`;
  const signal = AbortSignal.timeout(5_000);
  const { ok, status } = await fetch(url, { method: 'PUT', body: JSON.stringify(isFull), signal });
  if (!ok) throw new Error(`${name} answers ${status}`);
}
