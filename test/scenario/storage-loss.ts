import type { Cluster } from '../testbed/cluster.ts';
import { waitFor } from './wait-for.ts';

const gate = 'gitaly.dev/kept-away';
const statefulSet = 'gitaly-default';

/**
 * Takes away storages of the cluster `gitaly`, and their volumes. Kubernetes makes a pod that dies anew at
 * once; here it does not start before it is let back.
 */
export class StorageLoss {
  readonly #cluster: Cluster;
  readonly #namespace: string;

  private constructor(cluster: Cluster, namespace: string) {
    this.#cluster = cluster;
    this.#namespace = namespace;
  }

  /** From now on, pods that die wait. The operator lets be what is not its own. */
  static async prepare(cluster: Cluster, namespace: string): Promise<StorageLoss> {
    const loss = new StorageLoss(cluster, namespace);
    const spec = { template: { spec: { schedulingGates: [{ name: gate }] } } };
    await loss.#kubectl(['patch', 'statefulset', statefulSet, '-p', JSON.stringify({ spec })]);
    return loss;
  }

  /** Ends a storage, and keeps its next pod from starting. Resolves when none of its processes runs. */
  async takeAway(storage: string): Promise<void> {
    // With a grace, kubectl waits until the pod's containers have ended; with `--force` it does not.
    const grace = ['--grace-period=1', '--timeout=60s'];
    await this.#kubectl(['delete', 'pod', storage, ...grace], 70_000);
    await waitFor(`${storage} to be kept away`, 60_000, async () => {
      const gates = await this.#kubectl([
        'get',
        'pod',
        storage,
        '-o',
        'jsonpath={.spec.schedulingGates}',
      ]);
      return gates.includes(gate) ? undefined : 'it runs still, or is not there yet';
    });
  }

  /** Deletes the volume of a storage that is away. A new one is empty. */
  async deleteVolume(storage: string): Promise<void> {
    const claim = `repositories-${storage}`;
    await this.#kubectl(['delete', 'pvc', claim, '--timeout=60s'], 70_000);
  }

  /** Lets a storage start again. Resolves when it is ready. */
  async letBack(storage: string): Promise<void> {
    const patch = JSON.stringify([{ op: 'remove', path: '/spec/schedulingGates' }]);
    await this.#kubectl(['patch', 'pod', storage, '--type=json', '-p', patch]);
    const ready = ['wait', `pod/${storage}`, '--for=condition=Ready', '--timeout=120s'];
    await this.#kubectl(ready, 130_000);
  }

  #kubectl(args: readonly string[], limitMs = 60_000): Promise<string> {
    return this.#cluster.kubectl(['-n', this.#namespace, ...args], { limitMs });
  }
}
