import type { DrainChange, ProxyDrains } from '../../src/controllers/proxy-drains.ts';
import type { PlacementSource } from '../../src/controllers/placement-source.ts';
import type { ProxyStatusSource } from '../../src/controllers/proxy-status-source.ts';
import type { Node, Pod } from '../../src/api/kubernetes.ts';
import type { ClusterContext } from '../../src/reconcilers/cluster-context.ts';
import type { DrainReport } from '../../src/reconcilers/proxy-report.ts';
import { PlacementsBuilder } from '../../src/reconcilers/rollout/placements.ts';
import type { FakeObjects } from './fake-kube-objects.ts';
import { answered, podOf } from './observed-cluster.ts';

const pods = '/api/v1/namespaces/git/pods';

/**
 * Proxies and a StatefulSet's controller for a roll over a fake API server: drains are kept as in the proxies'
 * database, a deleted pod is made anew from the revision wanted, and it becomes ready unless that is a bad one.
 */
export class FakeRoll {
  readonly storages = [0, 1, 2].map((ordinal) => `gitaly-default-${ordinal}`);
  /** Every drain and deletion, such as `requestDrain gitaly-default-0`, as it was carried out first. */
  readonly history: string[] = [];
  /** Storages that have a call which does not end. */
  readonly busy = new Set<string>();
  /** How often somebody asked where repositories are. */
  lists = 0;
  readonly #objects: FakeObjects;
  readonly #context: ClusterContext;
  readonly #drains = new Map<string, DrainReport['requesters']>();
  readonly #bad = new Set<string>();
  #revision = 'revision-1';
  #mostDown = 0;
  #made = 0;
  #boots = 0;
  readonly #homes = new Map<string, string>();

  constructor(objects: FakeObjects, context: ClusterContext) {
    this.#objects = objects;
    this.#context = context;
  }

  /** How many storages were without a pod that is ready, at most. */
  get mostDown(): number {
    return this.#mostDown;
  }

  /** Begins the history anew. */
  forget(): void {
    this.history.length = 0;
    this.#mostDown = 0;
  }

  /** Storages that somebody keeps clients away from. */
  get drained(): string[] {
    return [...this.#drains.keys()];
  }

  /** The revision that each pod has. */
  get revisions(): (string | undefined)[] {
    return this.storages.map(
      (name) => this.#pod(name)?.metadata.labels?.['controller-revision-hash'],
    );
  }

  /** Pods are to be made from another template from now on. */
  want(revision: string, { isBad = false } = {}): void {
    this.#revision = revision;
    if (isBad) this.#bad.add(revision);
    const path = '/apis/apps/v1/namespaces/git/statefulsets/gitaly-default';
    const set = this.#objects.at(path);
    if (!set) throw new Error('there is no StatefulSet yet');
    const status = { observedGeneration: set.metadata['generation'], updateRevision: revision };
    this.#objects.put(path, { ...set, status });
  }

  /** Binds each storage to the node `node-of-NAME`, as its volume is there: its pod comes back to no other. */
  bindToNodes(): void {
    for (const name of this.storages) {
      this.#homes.set(name, `node-of-${name}`);
      this.boot(name);
    }
  }

  /** Boots the node anew that a storage is bound to. */
  boot(storage: string): void {
    const path = nodePath(storage);
    const node = this.#objects.at(path);
    this.#boots += 1;
    const status = {
      nodeInfo: { bootID: `boot-${this.#boots}` },
      conditions: [{ type: 'Ready', status: 'True' }],
    };
    const metadata = { name: `node-of-${storage}` };
    this.#objects.put(path, { apiVersion: 'v1', kind: 'Node', metadata, ...node, status });
  }

  /** The nodes that are cordoned, of those that storages are bound to. */
  get cordoned(): readonly string[] {
    return this.storages.filter((name) => this.#isCordoned(name)).map((name) => `node-of-${name}`);
  }

  /** Cordons the node that a storage's pod is on, or uncordons it. */
  cordon(storage: string, unschedulable = true): void {
    const name = this.#pod(storage)?.spec.nodeName ?? '';
    const node = { apiVersion: 'v1', kind: 'Node', metadata: { name }, spec: { unschedulable } };
    this.#objects.put(`/api/v1/nodes/${name}`, node);
  }

  /** Tries to evict a storage's pod, which is ready; returns whether the PodDisruptionBudget let it go. */
  evict(storage: string): boolean {
    if (this.#pod(storage)?.metadata.labels?.['gitaly.dev/evictable'] === undefined) return false;
    this.history.push(`${storage} is evicted`);
    this.#objects.remove(`${pods}/${storage}`);
    return true;
  }

  /** What Kubernetes does, as soon as it is asked for. */
  kubernetesActs(): void {
    for (const name of this.storages) {
      const hasNode = !this.#homes.has(name) || !this.#isCordoned(name);
      if (!this.#pod(name) && hasNode) this.#makePod(name);
    }
  }

  readonly drains: ProxyDrains = {
    change: async (_proxies, _token, change: DrainChange) => {
      const { kind, storage, requester } = change;
      if (change.kind === 'cancelDrain') this.#drains.delete(storage);
      else if (!this.#drains.has(storage)) {
        const { reason } = change;
        this.#drains.set(storage, [{ requester, reason, requestedMs: Date.now() }]);
      } else return { kind: 'done' };
      this.history.push(`${kind} ${storage}`);
      return { kind: 'done' };
    },
  };

  readonly proxies: ProxyStatusSource = {
    ask: async () => {
      this.#note();
      const down = this.storages.filter((name) => !isReady(this.#pod(name)));
      const report = answered({ default: { degraded: down.length === 0 ? 0 : 10 } });
      if (report.kind === 'silent') return report;
      const virtualStorages = report.virtualStorages.map((one) =>
        Object.assign({}, one, {
          storages: one.storages.map((storage) =>
            Object.assign({}, storage, {
              healthy: !down.includes(storage.name),
              ...this.#drainOf(storage.name),
            }),
          ),
        }),
      );
      return { ...report, virtualStorages };
    },
  };

  /** Ten repositories are in sync on all storages whose pods are ready. */
  readonly placements: PlacementSource = {
    list: async (_proxies, _token, storages) => {
      this.lists += 1;
      const isThere = ({ name }: { name: string }) => isReady(this.#pod(name));
      const indexes = storages.flatMap((storage, index) => (isThere(storage) ? [index] : []));
      const builder = new PlacementsBuilder();
      builder.add(indexes, 10, 'group/project.git');
      return { kind: 'listed', placements: builder.build() };
    },
  };

  #drainOf(storage: string): { readonly drain?: DrainReport } {
    const requesters = this.#drains.get(storage);
    if (!requesters) return {};
    const isBusy = this.busy.has(storage) && isReady(this.#pod(storage));
    const call = {
      class: 'fetch',
      count: 1,
      oldestMs: 3000,
      oldestRepository: 'group/project.git',
    };
    return {
      drain: { requesters, unaware: [], calls: isBusy ? [call] : [], drained: !isBusy },
    };
  }

  #isCordoned(storage: string): boolean {
    const { spec } = (this.#objects.at(nodePath(storage)) ?? {}) as Partial<Node>;
    return spec?.unschedulable === true;
  }

  #note(): void {
    const down = this.storages.filter((name) => !isReady(this.#pod(name))).length;
    this.#mostDown = Math.max(this.#mostDown, down);
  }

  #makePod(name: string): void {
    this.#note();
    this.history.push(`${name} is made from ${this.#revision}`);
    this.#made += 1;
    const made = podOf(this.#context, name, { component: 'storage', virtualStorage: 'default' });
    const labels = { ...made.metadata.labels, 'controller-revision-hash': this.#revision };
    const uid = `uid-${name}-${this.#made}`;
    const waiting = { reason: 'ImagePullBackOff' };
    const status = this.#bad.has(this.#revision)
      ? { containerStatuses: [{ name: 'gitaly', state: { waiting } }] }
      : made.status;
    const nodeName = this.#homes.get(name) ?? `node-${this.#made}`;
    const spec = { ...made.spec, nodeName };
    const pod = { ...made, metadata: { ...made.metadata, uid, labels }, spec, status };
    this.#objects.put(`${pods}/${name}`, pod);
  }

  #pod(name: string): Pod | undefined {
    return this.#objects.at(`${pods}/${name}`) as unknown as Pod | undefined;
  }
}

const nodePath = (storage: string) => `/api/v1/nodes/node-of-${storage}`;

function isReady(pod: Pod | undefined): boolean {
  return (
    pod?.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ===
    true
  );
}
