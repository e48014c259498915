import { assertNever } from '../../src/base/errors.ts';
import { PlacementsBuilder } from '../../src/reconcilers/rollout/placements.ts';
import type { RollAction } from '../../src/reconcilers/rollout/roll-action.ts';
import { planRoll, type RollPlan } from '../../src/reconcilers/rollout/roll-plan.ts';
import type {
  ObservedPlacements,
  ObservedPod,
  ObservedStorage,
  ObservedVirtualStorage,
  RollObservation,
} from '../../src/reconcilers/rollout/roll-observation.ts';
import type { GroupEvent } from './group-event.ts';
import type { RevisionQuality } from './roll-event.ts';
import { rollPolicy } from './roll-observation.ts';
import { drainOf, isDrainAsked } from './roll-storage.ts';

/** Storages by virtual storage, and the storages of each repository by their indexes in it. */
export interface GroupLayout {
  readonly virtualStorages: readonly {
    readonly storages: number;
    readonly repositories: readonly (readonly number[])[];
  }[];
  /** How many zones the storages are in by turns. With 0 nobody knows. */
  readonly zones: number;
  readonly groupSize: number;
  readonly maxUnavailable: number;
  readonly minAvailableReplicas: number;
}

interface Pod {
  readonly uid: string;
  readonly revision: number;
  phase: 'starting' | 'ready' | 'failing' | 'stopping';
  /** Whether its log has errors from its start. */
  readonly isFlawed: boolean;
  sinceMs: number;
}

interface Storage {
  readonly name: string;
  readonly virtualStorage: string;
  pod: Pod | undefined;
  healthy: boolean;
  calls: number;
  drainedSinceMs: number | undefined;
  othersDrain: boolean;
  noted: boolean;
}

interface Repository {
  readonly virtualStorage: string;
  readonly path: string;
  readonly on: readonly Storage[];
  readonly inSync: Set<Storage>;
}

/**
 * Virtual storages as a roll of groups meets them: pods, proxies, where each repository is in sync, and operators that
 * die and that are late. It notes what must never happen.
 */
export class GroupWorld {
  readonly violations: string[] = [];
  /** How many storages the roll had taken down at a time, at most. */
  mostDown = 0;
  readonly #layout: GroupLayout;
  readonly #storages: readonly Storage[];
  readonly #repositories: readonly Repository[];
  #nowMs = 1_000_000;
  #revision = 1;
  #quality: RevisionQuality = 'good';
  #uids = 0;
  #groupSize: number;
  #paused = false;
  #listsFail = false;
  #stalePods: readonly ObservedPod[] | undefined;

  constructor(layout: GroupLayout) {
    this.#layout = layout;
    this.#groupSize = layout.groupSize;
    const byVirtualStorage = layout.virtualStorages.map(({ storages }, number) =>
      Array.from({ length: storages }, (_, ordinal) => this.#newStorage(`v-${number}`, ordinal)),
    );
    this.#storages = byVirtualStorage.flat();
    this.#repositories = layout.virtualStorages.flatMap(({ repositories }, number) =>
      repositories.map((indexes, index) => {
        const on = indexes.flatMap((ordinal) => byVirtualStorage[number]?.[ordinal] ?? []);
        const path = `r-${number}-${index}`;
        return { virtualStorage: `v-${number}`, path, on, inSync: new Set(on) };
      }),
    );
  }

  /** How many pods were made from the revision wanted now. */
  podsOfRevision(): number {
    return this.#storages.filter(({ pod }) => pod?.revision === this.#revision).length;
  }

  /** What a roll that is done leaves nothing of. */
  unfinished(): string[] {
    return this.#storages.flatMap(({ name, pod, drainedSinceMs }) => [
      ...(pod?.revision === this.#revision ? [] : [`${name} is outdated`]),
      ...(drainedSinceMs === undefined ? [] : [`${name} is drained`]),
    ]);
  }

  /** Lets everything go well for a long time. */
  settle(): void {
    const numbers = [...this.#storages.keys()];
    this.playAll([
      { kind: 'newRevision', quality: 'good' },
      { kind: 'paused', isOn: false },
      { kind: 'listsFail', isOn: false },
      { kind: 'watchStalls', isOn: false },
      ...numbers.map((storage) => ({ kind: 'othersDrain', storage, isOn: false }) as const),
    ]);
    for (let round = 0; round < 20 * numbers.length; round += 1) {
      for (const storage of numbers) this.play({ kind: 'goesOn', storage });
      this.play({ kind: 'operatorActs', done: Infinity });
      this.play({ kind: 'timePasses', ms: 5000 });
    }
  }

  playAll(events: readonly GroupEvent[]): void {
    for (const event of events) this.play(event);
  }

  play(event: GroupEvent): void {
    switch (event.kind) {
      case 'newRevision':
        this.#revision += 1;
        this.#quality = event.quality;
        break;
      case 'groupSize':
        this.#groupSize = event.size;
        break;
      case 'paused':
        this.#paused = event.isOn;
        break;
      case 'listsFail':
        this.#listsFail = event.isOn;
        break;
      case 'watchStalls':
        this.#stalePods = event.isOn ? this.#storages.map((one) => this.#podOf(one)) : undefined;
        break;
      case 'othersDrain':
        this.#at(event.storage).othersDrain = event.isOn;
        break;
      case 'timePasses':
        this.#nowMs += event.ms;
        break;
      case 'podCrashes':
        this.#crash(this.#at(event.storage));
        break;
      case 'dies':
        Object.assign(this.#at(event.storage), { healthy: false, calls: 0 });
        break;
      case 'callBegins':
        if (!this.#at(event.storage).noted) this.#at(event.storage).calls += 1;
        break;
      case 'written':
        this.#write(event.repository);
        break;
      case 'fallsBehind':
        this.#leaveBehind(event.repository, this.#at(event.storage));
        break;
      case 'goesOn':
        this.#goOn(this.#at(event.storage));
        break;
      case 'operatorActs':
        this.#operate(event.done, event.meanwhile);
        break;
      default:
        assertNever(event);
    }
  }

  #newStorage(virtualStorage: string, ordinal: number): Storage {
    return {
      name: `${virtualStorage}-${ordinal}`,
      virtualStorage,
      pod: this.#newPod('ready'),
      healthy: true,
      calls: 0,
      drainedSinceMs: undefined,
      othersDrain: false,
      noted: false,
    };
  }

  #newPod(phase: Pod['phase']): Pod {
    this.#uids += 1;
    return {
      uid: `uid-${this.#uids}`,
      revision: this.#revision,
      phase,
      isFlawed: this.#quality === 'flawed',
      sinceMs: this.#nowMs,
    };
  }

  #at(number: number): Storage {
    const storage = this.#storages[number % this.#storages.length];
    if (!storage) throw new Error('there are no storages');
    return storage;
  }

  #crash(storage: Storage): void {
    if (storage.pod?.phase !== 'ready') return;
    Object.assign(storage.pod, { phase: 'starting', sinceMs: this.#nowMs });
    Object.assign(storage, { healthy: false, calls: 0 });
  }

  #write(number: number): void {
    const repository = this.#repositories[number % this.#repositories.length];
    if (!repository) return;
    const reached = [...repository.inSync].filter(({ healthy }) => healthy);
    if (reached.length === 0) return;
    for (const storage of repository.on) {
      if (!storage.healthy) repository.inSync.delete(storage);
    }
  }

  #leaveBehind(number: number, storage: Storage): void {
    const repository = this.#repositories[number % this.#repositories.length];
    if (repository && repository.inSync.size > 1) repository.inSync.delete(storage);
  }

  #goOn(storage: Storage): void {
    const { pod } = storage;
    if (!pod) storage.pod = this.#newPod('starting');
    else if (pod.phase === 'stopping') storage.pod = undefined;
    else if (pod.phase === 'starting') {
      const isGood = pod.revision < this.#revision || this.#quality !== 'failing';
      pod.phase = isGood ? 'ready' : 'failing';
      pod.sinceMs = this.#nowMs;
    } else if (pod.phase === 'ready') storage.healthy = true;
    storage.noted = isDrainAsked(storage);
    storage.calls = 0;
    if (!storage.healthy) return;
    for (const { on, inSync } of this.#repositories) {
      const source = [...inSync].some(({ healthy }) => healthy);
      if (on.includes(storage) && source) inSync.add(storage);
    }
  }

  #operate(done: number, meanwhile: GroupEvent | undefined): void {
    const plan = this.#plan(meanwhile);
    for (const action of plan.actions.slice(0, done)) this.#act(action);
    const down = this.#storages.filter(
      ({ pod, drainedSinceMs }) => drainedSinceMs !== undefined && pod?.phase !== 'ready',
    );
    this.mostDown = Math.max(this.mostDown, down.length);
  }

  #plan(meanwhile: GroupEvent | undefined): RollPlan {
    const plan = planRoll(this.#observe(undefined));
    if (!plan.needsPlacements) return plan;
    const placements = this.#list();
    if (meanwhile) this.play(meanwhile);
    const last = planRoll(this.#observe(placements));
    if (last.needsPlacements) this.violations.push('it was asked for what it knows');
    return last;
  }

  #act(action: RollAction): void {
    const storage = this.#storages.find(({ name }) => name === action.storage);
    if (!storage) return;
    if (action.kind === 'requestDrain') storage.drainedSinceMs ??= this.#nowMs;
    else if (action.kind === 'cancelDrain') {
      storage.drainedSinceMs = undefined;
      if (!isDrainAsked(storage)) storage.noted = false;
    } else if (action.kind === 'deletePod') this.#delete(storage, action.uid);
    else this.violations.push(`nobody clears a node, but ${action.kind}`);
  }

  #delete(storage: Storage, uid: string): void {
    const { pod, name } = storage;
    if (pod?.uid !== uid || pod.phase === 'stopping') return;
    if (pod.revision === this.#revision) this.violations.push(`${name} was not outdated`);
    if (this.#paused) this.violations.push(`${name} went while the update was paused`);
    if (storage.healthy) this.#checkServing(storage);
    pod.phase = 'stopping';
    Object.assign(storage, { healthy: false, calls: 0 });
  }

  #checkServing(storage: Storage): void {
    const { name, drainedSinceMs, noted, calls } = storage;
    const isOverdue =
      drainedSinceMs !== undefined && this.#nowMs - drainedSinceMs >= rollPolicy.drainDeadlineMs;
    if (!noted) this.violations.push(`${name} went before the proxies had taken note`);
    if (calls > 0 && !isOverdue) this.violations.push(`${name} went under a call`);
    if (this.#isAlone(storage)) return;
    const away = this.#storages.filter((one) => one !== storage && !isThere(one)).length;
    if (this.#groupSize === 1) this.violations.push(`${name} went while something was the matter`);
    if (away >= this.#layout.maxUnavailable)
      this.violations.push(`${name} went as too many are away`);
    for (const { path, inSync } of this.#repositories) {
      if (!inSync.has(storage)) continue;
      const left = [...inSync].filter((one) => one !== storage && isThere(one)).length;
      if (left < this.#layout.minAvailableReplicas)
        this.violations.push(`${name} went and left ${left} replicas of ${path}`);
    }
  }

  /** Whether nothing else is the matter with anything. */
  #isAlone(storage: Storage): boolean {
    const others = this.#storages.filter((one) => one !== storage);
    return (
      others.every((one) => isThere(one) && !isDrainAsked(one)) &&
      this.#repositories.every(({ on, inSync }) =>
        on.every((one) => one === storage || inSync.has(one)),
      )
    );
  }

  #list(): ObservedPlacements {
    if (this.#listsFail) return { kind: 'unknown', message: 'too many lists' };
    const builder = new PlacementsBuilder();
    for (const { path, inSync } of this.#repositories) {
      const members = [...inSync].map((storage) => this.#storages.indexOf(storage));
      builder.add(members, 1, path);
    }
    return { kind: 'listed', placements: builder.build() };
  }

  #observe(placements: ObservedPlacements | undefined): RollObservation {
    const names = new Set(this.#storages.map(({ virtualStorage }) => virtualStorage));
    return {
      nowMs: this.#nowMs,
      policy: { ...rollPolicy, paused: this.#paused },
      group: { size: this.#groupSize, maxUnavailable: this.#layout.maxUnavailable },
      isApplied: true,
      proxies: { kind: 'answered', away: [] },
      virtualStorages: [...names].map((name) => this.#observed(name)),
      placements,
    };
  }

  #observed(name: string): ObservedVirtualStorage {
    const good = ({ inSync }: Repository) => [...inSync].filter(({ healthy }) => healthy).length;
    const own = this.#repositories.filter(({ virtualStorage }) => virtualStorage === name);
    return {
      name,
      short: own.filter((one) => good(one) < one.on.length).length,
      refusing: own.filter((one) => good(one) < 1).length,
      minAvailableReplicas: this.#layout.minAvailableReplicas,
      storages: this.#storages.flatMap((storage, number) =>
        storage.virtualStorage === name ? [this.#observedStorage(storage, number)] : [],
      ),
    };
  }

  #observedStorage(storage: Storage, number: number): ObservedStorage {
    const { name, healthy } = storage;
    const own = this.#repositories.filter(({ on }) => on.includes(storage));
    const drain = drainOf(storage, this.#nowMs);
    return {
      name,
      pod: this.#stalePods?.[number] ?? this.#podOf(storage),
      report: {
        name,
        healthy,
        healthReason: healthy ? '' : 'refused',
        replicas: own.length,
        inSync: own.filter(({ inSync }) => inSync.has(storage)).length,
        primaries: number % 3,
        ...(this.#layout.zones > 0 && { zone: `zone-${number % this.#layout.zones}` }),
        ...(drain && { drain }),
      },
    };
  }

  #podOf({ pod }: Storage): ObservedPod {
    if (!pod) return { kind: 'absent' };
    const { uid, phase, revision, isFlawed, sinceMs } = pod;
    if (phase === 'stopping') return { kind: 'stopping' };
    const isFailing = phase === 'failing';
    return {
      kind: 'present',
      uid,
      outdated: revision === this.#revision ? [] : ['image'],
      leaving: undefined,
      eviction: { isAllowed: false, sinceMs: undefined },
      startup: isFlawed ? { kind: 'errors', message: 'no hooks' } : { kind: 'clean' },
      readiness:
        phase === 'ready'
          ? { kind: 'ready' }
          : { kind: 'notReady', message: phase, sinceMs, isFailing, isRunning: false },
    };
  }
}

/** Whether clients can use it. */
function isThere({ pod, healthy }: Storage): boolean {
  return healthy && pod?.phase === 'ready';
}
