import { assertNever } from '../../src/base/errors.ts';
import { PlacementsBuilder } from '../../src/reconcilers/rollout/placements.ts';
import type { RollAction } from '../../src/reconcilers/rollout/roll-action.ts';
import { planRoll, type RollPlan } from '../../src/reconcilers/rollout/roll-plan.ts';
import type {
  ObservedPod,
  ObservedStorage,
  RollObservation,
} from '../../src/reconcilers/rollout/roll-observation.ts';
import type { RevisionQuality, RollEvent } from './roll-event.ts';
import { rollPolicy } from './roll-observation.ts';
import {
  drainOf,
  isDrainAsked,
  observedPod,
  type RollPod,
  type RollStorage,
} from './roll-storage.ts';

const replicas = 10;

/**
 * A virtual storage with a replica of everything on each of its storages, as the roll meets it: pods, proxies and
 * their drains, and operators that die and that are late. It notes what must never happen.
 */
export class RollWorld {
  readonly violations: string[] = [];
  deletions = 0;
  evictions = 0;
  readonly #groupSize: number;
  readonly #storages: RollStorage[];
  #nowMs = 1_000_000;
  #revision = 1;
  #quality: RevisionQuality = 'good';
  #uids = 0;
  #silent = false;
  #away = false;
  #paused = false;
  /** What a watch that stands still shows. */
  #stalePods: readonly ObservedPod[] | undefined;

  /** @param groupSize how many may go together, as far as the repositories let them: not more than one, in fact */
  constructor(size: number, groupSize = 1) {
    this.#groupSize = groupSize;
    this.#storages = Array.from({ length: size }, (_, ordinal) => ({
      name: `s-${ordinal}`,
      pod: this.#newPod('ready'),
      healthy: true,
      behind: 0,
      calls: 0,
      drainedSinceMs: undefined,
      othersDrain: false,
      noted: false,
      leaving: false,
    }));
  }

  /** How many pods were made from the revision wanted now. */
  podsOfRevision(): number {
    return this.#storages.filter(({ pod }) => pod?.revision === this.#revision).length;
  }

  /** What a roll that is done leaves nothing of. */
  unfinished(): string[] {
    return this.#storages.flatMap((storage) => [
      ...(storage.pod?.revision === this.#revision ? [] : [`${storage.name} is outdated`]),
      ...(storage.drainedSinceMs === undefined ? [] : [`${storage.name} is drained`]),
      ...(storage.pod?.isEvictable === true ? [`${storage.name} may be evicted`] : []),
    ]);
  }

  playAll(events: readonly RollEvent[]): void {
    for (const event of events) this.play(event);
  }

  /** Lets everything go well until nothing is left to do, or for so long that nothing will come any more. */
  settle(): void {
    for (const storage of this.#storages.keys()) {
      this.play({ kind: 'nodeLeaves', storage, isOn: false });
    }
    this.play({ kind: 'newRevision', quality: 'good' });
    this.goOn();
  }

  /** Lets all but nodes go well for a long time, while somebody clears the nodes of some storages that are leaving. */
  goOn(evicted: readonly number[] = []): void {
    this.playAll([
      { kind: 'proxiesSilent', isOn: false },
      { kind: 'proxyAway', isOn: false },
      { kind: 'paused', isOn: false },
      { kind: 'watchGoesOn' },
      ...this.#storages.map(
        (_, storage) => ({ kind: 'othersDrain', storage, isOn: false }) as const,
      ),
    ]);
    for (let round = 0; round < 100; round += 1) {
      for (const storage of this.#storages.keys()) {
        this.play({ kind: 'allGoesWell', storage });
      }
      this.play({ kind: 'operatorActs', done: Infinity });
      for (const storage of evicted) {
        if (this.#storages[storage]?.leaving === true) this.play({ kind: 'evictorTries', storage });
      }
      this.play({ kind: 'timePasses', ms: 5000 });
    }
  }

  play(event: RollEvent): void {
    switch (event.kind) {
      case 'newRevision':
        this.#revision += 1;
        this.#quality = event.quality;
        break;
      case 'podCrashes':
        this.#at(event.storage, (storage) => this.#crash(storage));
        break;
      case 'fallsBehind':
        this.#at(event.storage, (storage) => {
          storage.behind = 2;
        });
        break;
      case 'callBegins':
        this.#at(event.storage, (storage) => {
          if (!storage.noted) storage.calls += 1;
        });
        break;
      case 'othersDrain':
        this.#at(event.storage, (storage) => {
          storage.othersDrain = event.isOn;
          if (!isDrainAsked(storage)) storage.noted = false;
        });
        break;
      case 'proxiesSilent':
        this.#silent = event.isOn;
        break;
      case 'proxyAway':
        this.#away = event.isOn;
        break;
      case 'paused':
        this.#paused = event.isOn;
        break;
      case 'nodeLeaves':
        this.#at(event.storage, (storage) => {
          storage.leaving = event.isOn;
        });
        break;
      case 'evictorTries':
        this.#at(event.storage, (storage) => this.#evict(storage));
        break;
      case 'timePasses':
        this.#nowMs += event.ms;
        break;
      case 'kubernetesActs':
        this.#at(event.storage, (storage) => this.#kubernetesActs(storage));
        break;
      case 'proxiesTakeNote':
        this.#at(event.storage, (storage) => {
          storage.noted = isDrainAsked(storage);
        });
        break;
      case 'callsEnd':
        this.#at(event.storage, (storage) => {
          storage.calls = 0;
        });
        break;
      case 'repaired':
        this.#at(event.storage, (storage) => {
          if (storage.healthy) storage.behind = 0;
        });
        break;
      case 'allGoesWell': {
        const { storage } = event;
        this.playAll([
          { kind: 'kubernetesActs', storage },
          { kind: 'proxiesTakeNote', storage },
          { kind: 'callsEnd', storage },
          { kind: 'repaired', storage },
        ]);
        break;
      }
      case 'operatorActs':
        this.#act(this.#plan().actions.slice(0, event.done));
        break;
      case 'watchStalls':
        this.#stalePods = this.#storages.map((storage) => observedPod(storage, this.#revision));
        break;
      case 'watchGoesOn':
        this.#stalePods = undefined;
        break;
      default:
        assertNever(event);
    }
  }

  #at(ordinal: number, change: (storage: RollStorage) => void): void {
    const storage = this.#storages[ordinal];
    if (storage) change(storage);
  }

  #newPod(phase: RollPod['phase']): RollPod {
    this.#uids += 1;
    return {
      uid: `uid-${this.#uids}`,
      revision: this.#revision,
      phase,
      isFlawed: this.#quality === 'flawed',
      changedMs: this.#nowMs,
      isEvictable: false,
      evictableSinceMs: undefined,
    };
  }

  #crash(storage: RollStorage): void {
    if (storage.pod?.phase !== 'ready') return;
    Object.assign(storage.pod, { phase: 'starting', changedMs: this.#nowMs });
    Object.assign(storage, { healthy: false, calls: 0, behind: 1 });
  }

  #kubernetesActs(storage: RollStorage): void {
    const { pod } = storage;
    if (!pod) {
      storage.pod = this.#newPod('starting');
      storage.leaving = false;
      return;
    }
    switch (pod.phase) {
      case 'stopping':
        storage.pod = undefined;
        break;
      case 'starting':
        // An outdated pod crashed, and comes back.
        if (pod.revision < this.#revision || this.#quality !== 'failing') pod.phase = 'ready';
        else pod.phase = 'failing';
        pod.changedMs = this.#nowMs;
        break;
      case 'ready':
        storage.healthy = true;
        break;
      case 'failing':
        break;
      default:
        assertNever(pod.phase);
    }
  }

  #act(actions: readonly RollAction[]): void {
    for (const action of actions) {
      const storage = this.#storages.find(({ name }) => name === action.storage);
      if (!storage) continue;
      switch (action.kind) {
        case 'requestDrain':
          if (this.#silent) break;
          storage.drainedSinceMs ??= this.#nowMs;
          break;
        case 'cancelDrain':
          this.#refuse(storage, action.uid);
          if (this.#silent) break;
          storage.drainedSinceMs = undefined;
          if (!isDrainAsked(storage)) storage.noted = false;
          break;
        case 'deletePod':
          this.#delete(storage, action.uid);
          break;
        case 'allowEviction':
          this.#allow(storage, action.uid);
          break;
        case 'refuseEviction':
          this.#refuse(storage, action.uid);
          break;
        case 'cordonNode':
          this.violations.push(`nobody maintains a node, but ${action.node} is cordoned`);
          break;
        default:
          assertNever(action);
      }
    }
  }

  #allow(storage: RollStorage, uid: string): void {
    const { pod } = storage;
    if (pod?.uid !== uid) return;
    if (storage.healthy && pod.phase === 'ready') this.#checkServing(storage);
    const marked = this.#storages.filter((one) => one !== storage && one.pod?.isEvictable === true);
    for (const { name } of marked)
      this.violations.push(`${storage.name} may go together with ${name}`);
    Object.assign(pod, { isEvictable: true, evictableSinceMs: this.#nowMs });
  }

  #refuse({ pod }: RollStorage, uid: string | undefined): void {
    if (pod && pod.uid === uid) pod.isEvictable = false;
  }

  /** As the API server does with our PodDisruptionBudget. */
  #evict(storage: RollStorage): void {
    const { pod } = storage;
    if (!pod || pod.phase === 'stopping') return;
    if (pod.phase === 'ready') {
      if (!pod.isEvictable) return;
      if (storage.healthy) this.#checkUnused(storage);
    }
    this.evictions += 1;
    this.#stop(storage, pod);
  }

  #delete(storage: RollStorage, uid: string): void {
    const { pod, name } = storage;
    if (pod?.uid !== uid || pod.phase === 'stopping') return;
    this.deletions += 1;
    if (pod.revision === this.#revision) this.violations.push(`${name} was not outdated`);
    if (this.#paused) this.violations.push(`${name} went while the update was paused`);
    if (storage.healthy) this.#checkServing(storage);
    this.#stop(storage, pod);
  }

  #stop(storage: RollStorage, pod: RollPod): void {
    pod.phase = 'stopping';
    Object.assign(storage, { healthy: false, calls: 0, behind: storage.behind + 1 });
  }

  #checkServing(storage: RollStorage): void {
    const { name } = storage;
    this.#checkUnused(storage);
    if (this.#away || this.#silent) this.violations.push(`${name} went unseen`);
    for (const other of this.#storages) {
      const isMissed = !other.healthy || other.behind > 0 || other.pod?.phase !== 'ready';
      if (other !== storage && isMissed)
        this.violations.push(`${name} went while ${other.name} is missed`);
    }
  }

  #checkUnused(storage: RollStorage): void {
    const { name, drainedSinceMs } = storage;
    const isOverdue =
      drainedSinceMs !== undefined && this.#nowMs - drainedSinceMs >= rollPolicy.drainDeadlineMs;
    if (!storage.noted) this.violations.push(`${name} went before the proxies had taken note`);
    if (storage.calls > 0 && !isOverdue) this.violations.push(`${name} went under a call`);
  }

  #plan(): RollPlan {
    const plan = planRoll(this.#observe());
    if (!plan.needsPlacements) return plan;
    const builder = new PlacementsBuilder();
    for (let number = 0; number < replicas; number += 1) {
      const inSync = [...this.#storages.entries()].filter(([, { behind }]) => behind <= number);
      builder.add(
        inSync.map(([index]) => index),
        1,
        `${number}.git`,
      );
    }
    const placements = { kind: 'listed', placements: builder.build() } as const;
    return planRoll({ ...this.#observe(), placements });
  }

  #observe(): RollObservation {
    const storages = this.#storages.map((storage, ordinal) => this.#observed(storage, ordinal));
    const good = this.#storages.filter(({ healthy, behind }) => healthy && behind === 0).length;
    const behind = Math.max(...this.#storages.map((one) => (one.healthy ? one.behind : replicas)));
    return {
      nowMs: this.#nowMs,
      policy: { ...rollPolicy, paused: this.#paused },
      group: { size: this.#groupSize, maxUnavailable: this.#groupSize },
      isApplied: true,
      proxies: this.#silent
        ? { kind: 'silent', message: 'no proxy answers' }
        : { kind: 'answered', away: this.#away ? ['proxy-1'] : [] },
      virtualStorages: [
        {
          name: 'default',
          short: behind,
          refusing: good >= 2 ? 0 : behind,
          minAvailableReplicas: 2,
          storages,
        },
      ],
      placements: undefined,
    };
  }

  #observed(storage: RollStorage, ordinal: number): ObservedStorage {
    const { name, healthy, behind } = storage;
    const drain = drainOf(storage, this.#nowMs);
    const inSync = Math.max(0, replicas - behind);
    return {
      name,
      pod: this.#stalePods?.[ordinal] ?? observedPod(storage, this.#revision),
      report: this.#silent
        ? undefined
        : {
            name,
            healthy,
            healthReason: '',
            replicas,
            inSync,
            primaries: 3,
            ...(drain && { drain }),
          },
    };
  }
}
