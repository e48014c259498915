import { seededRandom } from '../../src/base/random.ts';
import type { RepositoryRecord } from '../../src/proxy/routing/repository-record.ts';
import { isSettled } from '../../src/proxy/store/placement.ts';
import { MemoryDatabase } from '../../src/proxy/store/memory-database.ts';
import { SimulatedProxy, virtualStorageName } from './simulated-proxy.ts';
import { SimulatedStorage, type StorageFaults } from './simulated-storage.ts';
import { Timeline } from './timeline.ts';

/** The only repository. */
export const key = { virtualStorage: virtualStorageName, relativePath: 'a.git' };

const storageFaults: StorageFaults = {
  isSlow: 0.02,
  refusesCall: 0.02,
  failsToApply: 0.02,
  crashesBeforeApplying: 0.01,
  crashesAfterApplying: 0.01,
};

/** Proxies, storages and a database, with one repository. */
export class Cluster {
  readonly timeline: Timeline;
  readonly database: MemoryDatabase;
  readonly storages: ReadonlyMap<string, SimulatedStorage>;
  readonly proxies: SimulatedProxy[] = [];
  readonly #policy: { readonly replicationFactor: number; readonly minInSyncReplicas: number };
  /** What was wrong the first time that anything was. */
  #violation: unknown;
  #isFaulty = false;
  #lastProxy = 0;

  constructor(seed: number, isTold: boolean) {
    const timeline = new Timeline(seededRandom(seed), isTold);
    this.timeline = timeline;
    this.database = new MemoryDatabase({ clock: timeline });
    const replicationFactor = timeline.chance(0.3) ? 2 : 3;
    const minInSyncReplicas = timeline.chance(0.5) ? 1 : replicationFactor - 1;
    this.#policy = { replicationFactor, minInSyncReplicas };
    const names = ['a', 'b', 'c', 'd'].slice(0, replicationFactor + (timeline.chance(0.2) ? 1 : 0));
    this.storages = new Map(names.map((name) => [name, this.#createStorage(name)]));
    this.#createRepository(names.slice(0, replicationFactor));
    for (let index = 0; index < 3; index++) this.startProxy();
  }

  /** Whether storages fail now and then, and answers of the store get lost. */
  set isFaulty(isFaulty: boolean) {
    this.#isFaulty = isFaulty;
  }

  get record(): RepositoryRecord {
    const record = this.database.get(key);
    if (record === undefined) throw new Error('the repository is gone');
    return record;
  }

  get minInSyncReplicas(): number {
    return this.#policy.minInSyncReplicas;
  }

  /** Whether nothing is left to repair. */
  get isSettled(): boolean {
    const { record } = this;
    return isSettled(record) && record.replicas.length >= this.#policy.replicationFactor;
  }

  /**
   * Lets time pass until `untilMs`, or until `isOver` holds before that. Resolves with whether it did;
   * rejects with the first violation of an invariant.
   */
  async runUntil(untilMs: number, isOver: () => boolean = () => false): Promise<boolean> {
    const isDone = await this.timeline.run(
      untilMs,
      () => this.#violation !== undefined || isOver(),
    );
    if (this.#violation !== undefined) throw this.#violation;
    return isDone;
  }

  storage(name: string): SimulatedStorage {
    const storage = this.storages.get(name);
    if (storage === undefined) throw new Error(`there is no storage ${name}`);
    return storage;
  }

  startProxy(): void {
    this.#lastProxy += 1;
    const proxy: SimulatedProxy = new SimulatedProxy({
      name: `p${this.#lastProxy}`,
      timeline: this.timeline,
      database: this.database,
      storages: this.storages,
      policy: this.#policy,
      lostAnswers: () => (this.#isFaulty ? 0.02 : 0),
      onCommit: (what, storage) => this.#onCommit(proxy, what, storage),
    });
    this.proxies.push(proxy);
    this.timeline.tell(() => `${proxy.name} starts`);
    void proxy.start();
  }

  crashProxy(proxy: SimulatedProxy): void {
    if (proxy.process.hasCrashed) return;
    this.timeline.tell(() => `${proxy.name} crashes`);
    proxy.crash();
    this.proxies.splice(this.proxies.indexOf(proxy), 1);
  }

  crashStorage(storage: SimulatedStorage): void {
    if (storage.process.hasCrashed) return;
    this.timeline.tell(() => `${storage.name} crashes`);
    storage.process.crash();
    this.#dropLinks(storage, 'it has crashed');
  }

  restartStorage(storage: SimulatedStorage): void {
    if (!storage.process.hasCrashed) return;
    this.timeline.tell(() => `${storage.name} restarts`);
    storage.restart();
  }

  /** The storage hangs; the proxies notice by its missed health checks. */
  pauseStorage(storage: SimulatedStorage): void {
    const { timeline } = this;
    const { process } = storage;
    timeline.tell(() => `${storage.name} hangs`);
    process.pause();
    timeline.after(timeline.between(1500, 2500), () => {
      if (process.isPaused) this.#dropLinks(storage, 'it hangs');
    });
  }

  /** Notes what `check` throws. */
  check(check: () => void): void {
    try {
      check();
    } catch (error) {
      this.#violation ??= error;
    }
  }

  /**
   * I1: no storage is told to commit before the intent is durable, or after it was settled. Nor may
   * it copy unless its replica is claimed.
   */
  #onCommit({ name }: SimulatedProxy, what: 'write' | 'copy', storage: string): void {
    const { intents, replicas } = this.record;
    const claim = replicas.find((replica) => replica.storage === storage)?.repair;
    const isRight =
      what === 'write' ? intents.some(({ owner }) => owner === name) : claim?.owner === name;
    if (isRight) return;
    this.check(() => {
      throw new Error(`${name} lets ${storage} go on with a ${what} that is not in the record`);
    });
  }

  #dropLinks(storage: SimulatedStorage, reason: string): void {
    for (const { links } of this.proxies) {
      links.find((link) => link.name === storage.name)?.drop(reason);
    }
  }

  #createStorage(name: string): SimulatedStorage {
    const { timeline } = this;
    const storage: SimulatedStorage = new SimulatedStorage(
      name,
      timeline,
      () => (this.#isFaulty ? storageFaults : undefined),
      () => {
        this.crashStorage(storage);
        timeline.after(timeline.between(100, 2000), () => this.restartStorage(storage));
      },
    );
    return storage;
  }

  #createRepository(holders: readonly string[]): void {
    const [primary = ''] = holders;
    this.database.create({
      ...key,
      id: this.database.nextId(),
      replicaPath: 'r',
      version: 1n,
      epoch: 1n,
      lsn: 0n,
      primary,
      replicas: holders.map((storage) => ({ storage, lsn: 0n, role: 'voter' })),
      intents: [],
    });
  }
}
