import { assertNever } from '../../src/base/errors.ts';
import type {
  GitalyMaintenance,
  GitalyMaintenanceSpec,
} from '../../src/api/generated/gitaly-maintenance.ts';
import { activeMaintenance } from '../../src/reconcilers/maintenance/active-maintenance.ts';
import type { ActiveMaintenance } from '../../src/reconcilers/rollout/maintenance-request.ts';
import type { MaintenanceView } from '../../src/reconcilers/maintenance/chosen-maintenance.ts';
import type { MaintenanceNode } from '../../src/reconcilers/maintenance/maintenance-node.ts';
import { maintenanceStatuses } from '../../src/reconcilers/maintenance/maintenance-status.ts';
import { nodesToUncordon } from '../../src/reconcilers/maintenance/nodes-to-uncordon.ts';
import { PlacementsBuilder } from '../../src/reconcilers/rollout/placements.ts';
import type { RollAction } from '../../src/reconcilers/rollout/roll-action.ts';
import type {
  ObservedPod,
  ObservedStorage,
  RollObservation,
} from '../../src/reconcilers/rollout/roll-observation.ts';
import { planRoll, type RollPlan } from '../../src/reconcilers/rollout/roll-plan.ts';
import type { MaintenanceEvent } from './maintenance-event.ts';
import { notReady, rollObservation, rollPolicy, storageOf } from './roll-observation.ts';
import { drainOf } from './roll-storage.ts';

/** A cluster whose nodes are to be maintained. */
export interface MaintenanceLayout {
  /** On which node the pod of each storage is in the beginning. */
  readonly storages: readonly number[];
  readonly nodes: number;
  /** Whether a storage's volume is of its node, so that its pod cannot be on another one. */
  readonly isLocal: boolean;
  /** The storages of each repository. */
  readonly repositories: readonly (readonly number[])[];
  /** The first is the oldest. */
  readonly maintenances: readonly Omit<GitalyMaintenanceSpec, 'clusterName'>[];
}

interface World {
  readonly name: string;
  bootID: number;
  /** For which maintenance, `others`, or undefined if it is not cordoned. */
  cordonedFor: string | undefined;
}

interface Storage {
  readonly name: string;
  readonly home: World;
  pod: { readonly uid: string; phase: 'starting' | 'ready' | 'stopping'; node: World | undefined };
  healthy: boolean;
  behind: boolean;
  calls: number;
  drainedSinceMs: number | undefined;
  noted: boolean;
}

const cluster = { namespace: 'gitlab', name: 'gitaly' };
const minAvailableReplicas = 1;

/**
 * Nodes, pods, proxies, people who maintain nodes, and operators that die, as maintenances meet them. It notes what must
 * never happen.
 */
export class MaintenanceWorld {
  readonly violations: string[] = [];
  /** How many nodes were cleared at the same time, at most. */
  mostCleared = 0;
  readonly #layout: MaintenanceLayout;
  readonly #nodes: readonly World[];
  readonly #storages: readonly Storage[];
  #maintenances: readonly GitalyMaintenance[];
  readonly #boots = new Map<string, number>();
  #nowMs = 1_000_000;
  #uids = 0;

  constructor(layout: MaintenanceLayout) {
    this.#layout = layout;
    this.#nodes = Array.from({ length: layout.nodes }, (_, number) => ({
      name: `node-${number}`,
      bootID: 0,
      cordonedFor: undefined,
    }));
    this.#storages = layout.storages.map((node, number) => {
      const home = at(this.#nodes, node);
      const pod = { uid: this.#newUid(), phase: 'ready' as const, node: home };
      return { name: `s-${number}`, home, pod, ...serving };
    });
    this.#maintenances = layout.maintenances.map((spec, number) => ({
      apiVersion: 'gitaly.dev/v1alpha1',
      kind: 'GitalyMaintenance',
      metadata: {
        name: `m-${number}`,
        namespace: cluster.namespace,
        creationTimestamp: new Date(number * 1000).toISOString(),
      },
      spec: { ...spec, clusterName: cluster.name },
    }));
  }

  /** What must not be left when all is done. */
  unfinished(): string[] {
    return [
      ...this.#maintenances.flatMap(({ metadata, status }) =>
        status?.phase === 'Completed'
          ? []
          : [`${metadata.name} is ${status?.phase}: ${status?.message}`],
      ),
      ...this.#nodes.flatMap(({ name, cordonedFor }) =>
        cordonedFor === undefined ? [] : [`${name} is cordoned for ${cordonedFor}`],
      ),
      ...this.#storages.flatMap((one) =>
        isThere(one) && one.drainedSinceMs === undefined ? [] : [`${one.name} is not back`],
      ),
    ];
  }

  /** How often each node was maintained. */
  boots(): readonly number[] {
    return this.#nodes.map(({ name }) => this.#boots.get(name) ?? 0);
  }

  /** Lets everything go well for a long time. */
  settle(): void {
    for (const [node] of this.#nodes.entries()) {
      this.play({ kind: 'cordonedByOthers', node, isOn: false });
    }
    for (const [maintenance] of this.#maintenances.entries()) {
      this.play({ kind: 'paused', maintenance, isOn: false });
    }
    const rounds = 30 * this.#nodes.length * Math.max(1, this.#maintenances.length);
    for (let round = 0; round < rounds; round += 1) {
      this.play({ kind: 'operatorActs', done: Infinity });
      for (const [storage] of this.#storages.entries()) this.play({ kind: 'goesOn', storage });
      for (const [node] of this.#nodes.entries()) this.play({ kind: 'maintained', node });
      this.play({ kind: 'timePasses', ms: 5000 });
    }
  }

  playAll(events: readonly MaintenanceEvent[]): void {
    for (const event of events) this.play(event);
  }

  play(event: MaintenanceEvent): void {
    switch (event.kind) {
      case 'timePasses':
        this.#nowMs += event.ms;
        break;
      case 'goesOn':
        this.#goOn(at(this.#storages, event.storage));
        break;
      case 'callBegins':
        if (!at(this.#storages, event.storage).noted) at(this.#storages, event.storage).calls += 1;
        break;
      case 'crashes':
        this.#crash(at(this.#storages, event.storage));
        break;
      case 'maintained':
        this.#maintain(at(this.#nodes, event.node));
        break;
      case 'cordonedByOthers':
        this.#cordonByOthers(at(this.#nodes, event.node), event.isOn);
        break;
      case 'paused':
        this.#change(event.maintenance, ({ spec, ...rest }) => ({
          ...rest,
          spec: { ...spec, paused: event.isOn },
        }));
        break;
      case 'deleted':
        this.#change(event.maintenance, () => undefined);
        break;
      case 'operatorActs':
        this.#operate(event.done);
        break;
      default:
        assertNever(event);
    }
  }

  #newUid(): string {
    this.#uids += 1;
    return `uid-${this.#uids}`;
  }

  #change(number: number, change: (one: GitalyMaintenance) => GitalyMaintenance | undefined): void {
    const index = number % Math.max(1, this.#maintenances.length);
    this.#maintenances = this.#maintenances.flatMap((one, place) =>
      place === index ? (change(one) ?? []) : one,
    );
  }

  #crash(storage: Storage): void {
    if (storage.pod.phase !== 'ready') return;
    storage.pod.phase = 'starting';
    Object.assign(storage, { healthy: false, calls: 0 });
  }

  #cordonByOthers(node: World, isOn: boolean): void {
    if (isOn) node.cordonedFor ??= 'others';
    else if (node.cordonedFor === 'others') node.cordonedFor = undefined;
  }

  #maintain(node: World): void {
    const busy = this.#maintenances.find(({ status }) =>
      status?.nodes?.some(({ name, phase }) => name === node.name && phase === 'Cleared'),
    );
    if (!busy) return;
    const left = this.#storages.filter(({ pod }) => pod.node === node);
    // A person who has uncordoned it may have let pods come back.
    if (left.length > 0 && node.cordonedFor !== undefined)
      this.violations.push(`${node.name} was cleared with ${left[0]?.name} on it`);
    if (node.cordonedFor === undefined) return;
    if (busy.spec.nodeDone === 'Uncordoned') node.cordonedFor = undefined;
    else if (node.bootID === this.#seenBootID(busy, node)) node.bootID += 1;
    else return;
    this.#boots.set(node.name, (this.#boots.get(node.name) ?? 0) + 1);
  }

  #seenBootID({ status }: GitalyMaintenance, { name }: World): number {
    return Number(status?.nodes?.find((one) => one.name === name)?.bootID ?? -1);
  }

  #goOn(storage: Storage): void {
    const { pod } = storage;
    if (pod.phase === 'stopping') {
      storage.pod = { uid: this.#newUid(), phase: 'starting', node: undefined };
    } else if (pod.node === undefined) pod.node = this.#freeNode(storage);
    else if (pod.phase === 'starting') pod.phase = 'ready';
    else storage.healthy = true;
    storage.noted = storage.drainedSinceMs !== undefined;
    storage.calls = 0;
    if (storage.healthy) storage.behind = false;
  }

  #freeNode({ home }: Storage): World | undefined {
    const free = this.#nodes.filter(({ cordonedFor }) => cordonedFor === undefined);
    return this.#layout.isLocal ? free.find((one) => one === home) : free[0];
  }

  #operate(done: number): void {
    const view = this.#view();
    const active = activeMaintenance(view);
    const roll = this.#plan(active);
    for (const [maintenance, status] of maintenanceStatuses({ ...view, roll })) {
      this.#maintenances = this.#maintenances.map((one) =>
        one === maintenance ? { ...one, status } : one,
      );
    }
    this.#noteCleared();
    const uncordoned = nodesToUncordon(cluster, [...view.nodes.values()], this.#maintenances);
    const steps = [
      ...roll.actions.map((action) => () => this.#act(action)),
      ...uncordoned.map((name) => () => this.#uncordon(name)),
    ];
    for (const step of steps.slice(0, done)) step();
  }

  #noteCleared(): void {
    const cleared = this.#maintenances
      .flatMap(({ status }) => status?.nodes ?? [])
      .filter(({ phase }) => phase === 'Cleared');
    this.mostCleared = Math.max(this.mostCleared, cleared.length);
  }

  #uncordon(name: string): void {
    const node = this.#nodes.find((one) => one.name === name);
    if (node) node.cordonedFor = undefined;
  }

  #plan(active: ActiveMaintenance | undefined): RollPlan {
    const plan = planRoll(this.#observe(active));
    if (!plan.needsPlacements) return plan;
    const builder = new PlacementsBuilder();
    for (const [number, on] of this.#layout.repositories.entries()) {
      const inSync = on.filter((one) => !at(this.#storages, one).behind);
      builder.add(inSync, 1, `${number}.git`);
    }
    const placements = { kind: 'listed', placements: builder.build() } as const;
    return planRoll({ ...this.#observe(active), placements });
  }

  #act(action: RollAction): void {
    const storage = this.#storages.find(({ name }) => name === action.storage);
    if (!storage) return;
    if (action.kind === 'requestDrain') storage.drainedSinceMs ??= this.#nowMs;
    else if (action.kind === 'cancelDrain') {
      Object.assign(storage, { drainedSinceMs: undefined, noted: false });
    } else if (action.kind === 'cordonNode') {
      const node = this.#nodes.find(({ name }) => name === action.node);
      if (node) node.cordonedFor = action.mark;
    } else if (action.kind === 'deletePod') this.#delete(storage, action.uid);
  }

  #delete(storage: Storage, uid: string): void {
    const { pod, name, calls, drainedSinceMs, noted } = storage;
    if (pod.uid !== uid || pod.phase === 'stopping') return;
    const isOverdue =
      drainedSinceMs !== undefined && this.#nowMs - drainedSinceMs >= rollPolicy.drainDeadlineMs;
    const cordonedFor = pod.node?.cordonedFor ?? 'others';
    if (cordonedFor === 'others')
      this.violations.push(`${name} went and its node was not cordoned`);
    if (!noted) this.violations.push(`${name} went before the proxies had taken note`);
    if (calls > 0 && !isOverdue) this.violations.push(`${name} went under a call`);
    for (const on of this.#layout.repositories) {
      const others = on.map((one) => at(this.#storages, one)).filter((one) => one !== storage);
      const left = others.filter((one) => isThere(one)).length;
      if (on.includes(this.#storages.indexOf(storage)) && left < minAvailableReplicas)
        this.violations.push(`${name} went and left ${left} replicas`);
    }
    pod.phase = 'stopping';
    Object.assign(storage, { healthy: false, calls: 0, behind: true });
  }

  #view(): MaintenanceView {
    const nodes = this.#nodes.map(({ name, bootID, cordonedFor }): MaintenanceNode => {
      const mark = cordonedFor === 'others' ? undefined : cordonedFor;
      const storages = this.#storages
        .filter(({ pod }) => pod.node?.name === name)
        .map((one) => one.name);
      const isCordoned = cordonedFor !== undefined;
      return { name, labels: {}, bootID: `${bootID}`, isReady: true, isCordoned, mark, storages };
    });
    return {
      maintenances: this.#maintenances,
      nodes: new Map(nodes.map((node) => [node.name, node])),
      mayCordon: true,
      nowMs: this.#nowMs,
    };
  }

  #observe(active: ActiveMaintenance | undefined): RollObservation {
    const { groupSize: size = 1, maxUnavailable = 1 } = active ?? {};
    const storages = this.#storages.map((one) => this.#observed(one, active));
    const bad = this.#layout.repositories.filter((on) =>
      on.some((one) => !isThere(at(this.#storages, one))),
    );
    const observation = rollObservation(storages, { nowMs: this.#nowMs, short: bad.length });
    const virtualStorages = observation.virtualStorages.map((one) => ({
      ...one,
      minAvailableReplicas,
    }));
    return { ...observation, virtualStorages, group: { size, maxUnavailable } };
  }

  #observed(storage: Storage, active: ActiveMaintenance | undefined): ObservedStorage {
    const { name, pod, healthy, behind } = storage;
    const drain = drainOf({ ...storage, othersDrain: false }, this.#nowMs);
    const own = this.#layout.repositories.filter((on) =>
      on.includes(this.#storages.indexOf(storage)),
    );
    return storageOf(name, pod.phase === 'stopping' ? 'stopping' : podOf(pod, active), {
      healthy,
      replicas: own.length,
      inSync: behind ? 0 : own.length,
      ...(drain && { drain }),
    });
  }
}

function podOf(
  { uid, phase, node }: Storage['pod'],
  active: ActiveMaintenance | undefined,
): Partial<Extract<ObservedPod, { kind: 'present' }>> {
  const maintenance = active?.nodesToClear.get(node?.name ?? '');
  const isLeft = node?.cordonedFor === 'others';
  return {
    uid,
    outdated: isLeft ? ['node'] : maintenance ? ['maintenance'] : [],
    leaving: isLeft ? `${node.name} is cordoned` : maintenance?.reason,
    ...(!isLeft && { maintenance }),
    readiness: phase === 'ready' ? { kind: 'ready' } : notReady({ sinceMs: undefined }),
  };
}

const serving = {
  healthy: true,
  behind: false,
  calls: 0,
  drainedSinceMs: undefined,
  noted: false,
} as const;

/** Whether clients can use it, with all that it should have. */
function isThere({ pod, healthy, behind }: Storage): boolean {
  return healthy && !behind && pod.phase === 'ready';
}

function at<T>(list: readonly T[], number: number): T {
  const one = list[number % list.length];
  if (one === undefined) throw new Error('the list is empty');
  return one;
}
