import { seededRandom } from '../../src/base/random.ts';
import type { RepositoryRecord } from '../../src/proxy/routing/repository-record.ts';
import type { RepositoryKey } from '../../src/proxy/store/control-store.ts';
import { isSettled } from '../../src/proxy/store/placement.ts';
import { MemoryDatabase } from '../../src/proxy/store/memory-database.ts';
import type { StorageIdentity } from '../../src/proxy/store/storage-identity.ts';
import { inSyncVoters } from './in-sync.ts';
import type { Committed } from './committed.ts';
import type { ClockError } from './simulated-process.ts';
import { SimulatedProxy, virtualStorageName, type Transaction } from './simulated-proxy.ts';
import { SimulatedStorage, type StorageFaults } from './simulated-storage.ts';
import { Timeline } from './timeline.ts';

/** The repository that is there from the start. */
export const key = { virtualStorage: virtualStorageName, relativePath: 'a.git' };

/** How large a cluster is. */
export interface ClusterShape {
  readonly proxies: number;
  /** At least as many as the replication factor. */
  readonly storages: number;
  readonly replicationFactor: number;
  readonly minInSyncReplicas: number;
  /** How many replicas the repository has at first. Default: the replication factor. */
  readonly replicas?: number;
  /** Between two looks for something to repair. Default: the product's. */
  readonly repairIntervalMs?: number;
  /** Between two looks for misplaced replicas. Default: the product's. */
  readonly fullRepairIntervalMs?: number;
  /** Between two verifications. Default: none. */
  readonly verificationIntervalMs?: number;
  /** How far the wall clocks of proxies are off, at most. */
  readonly skewMs: number;
  /** By how much their clocks run faster or slower, at most. */
  readonly drift: number;
}

const storageFaults: StorageFaults = {
  isSlow: 0.02,
  refusesCall: 0.02,
  failsToApply: 0.02,
  differs: 0.005,
  crashesBeforeApplying: 0.01,
  crashesAfterApplying: 0.01,
};

/** Proxies, storages and a database, with one repository. */
export class Cluster {
  readonly timeline: Timeline;
  readonly database: MemoryDatabase;
  readonly storages: ReadonlyMap<string, SimulatedStorage>;
  readonly proxies: SimulatedProxy[] = [];
  readonly shape: ClusterShape;
  readonly #decommissioned = new Set<string>();
  readonly #transactions = new Map<string, Transaction>();
  /** What was wrong the first time that anything was. */
  #violation: unknown;
  /** Storages whose replica was damaged, and since which version of the record that is known. */
  readonly #damaged = new Map<string, { knownSince: bigint | undefined }>();
  #isFaulty = false;
  #changes = 0;
  #lastProxy = 0;

  constructor(seed: number, isTold: boolean, shape?: ClusterShape) {
    const timeline = new Timeline(seededRandom(seed), isTold);
    this.timeline = timeline;
    this.shape = shape ?? randomShape(timeline);
    this.database = new WatchedDatabase(timeline, () => {
      this.#changes += 1;
    });
    const names = ['a', 'b', 'c', 'd'].slice(0, this.shape.storages);
    this.storages = new Map(names.map((name) => [name, this.#createStorage(name)]));
    const { replicationFactor, replicas = replicationFactor } = this.shape;
    this.#createRepository(names.slice(0, replicas));
    for (let index = 0; index < this.shape.proxies; index++) this.startProxy();
  }

  /** Whether storages fail now and then, and answers of the store get lost. */
  get isFaulty(): boolean {
    return this.#isFaulty;
  }

  set isFaulty(isFaulty: boolean) {
    this.#isFaulty = isFaulty;
  }

  recordOf(repository: RepositoryKey): RepositoryRecord | undefined {
    return this.database.get(repository);
  }

  /** Another list after each change. */
  get records(): readonly RepositoryRecord[] {
    return this.database.all();
  }

  get record(): RepositoryRecord {
    const record = this.recordOf(key);
    if (record === undefined) throw new Error('the repository is gone');
    return record;
  }

  get minInSyncReplicas(): number {
    return this.shape.minInSyncReplicas;
  }

  /** What a storage holds of a repository on the volume that the records speak of. */
  refsOn(name: string, path: string): ReadonlyMap<string, string> | undefined {
    return this.storage(name).refs(path, this.recordedVolume(name));
  }

  recordedVolume(storage: string): string | undefined {
    return this.database.identityOf({ virtualStorage: virtualStorageName, storage })?.filesystemId;
  }

  /** Grows whenever a storage changes something, or its identity changes. */
  get changes(): number {
    return this.#changes;
  }

  /** Whether nothing is left to repair. */
  get isSettled(): boolean {
    return this.records.every(
      (record) =>
        isSettled(record) &&
        record.replicas.length >= this.shape.replicationFactor &&
        !record.replicas.some(({ storage }) => this.#decommissioned.has(storage)),
    );
  }

  /** What a transaction is to do. */
  transactionNamed(name: string): Transaction | undefined {
    return this.#transactions.get(name);
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
    const { timeline, database, storages, shape } = this;
    this.#lastProxy += 1;
    const proxy: SimulatedProxy = new SimulatedProxy({
      name: `p${this.#lastProxy}`,
      timeline,
      database,
      storages,
      policy: shape,
      repairIntervalMs: shape.repairIntervalMs,
      fullRepairIntervalMs: shape.fullRepairIntervalMs,
      verificationIntervalMs: shape.verificationIntervalMs,
      lostAnswers: () => (this.#isFaulty ? 0.02 : 0),
      onCommit: (what, storage) => this.#onCommit(proxy, what, storage),
      onTransaction: (name, transaction) => this.#transactions.set(name, transaction),
      clockError: this.#clockError(),
    });
    for (const link of proxy.links) link.isDecommissioned = this.#decommissioned.has(link.name);
    this.proxies.push(proxy);
    timeline.tell(() => `${proxy.name} starts`);
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

  /** A storage is to hold nothing: the proxies that run hear of it, each in its own time, and all that come later. */
  decommission(name: string): void {
    const { timeline } = this;
    timeline.tell(() => `${name} is decommissioned`);
    this.#decommissioned.add(name);
    for (const link of this.proxies.flatMap(({ links }) => links)) {
      if (link.name !== name) continue;
      timeline.after(timeline.between(1, 1000), () => {
        link.isDecommissioned = true;
      });
    }
  }

  /** The storage is down for a moment and comes back with another volume: an empty one by default. */
  changeVolume(storage: SimulatedStorage, downMs: number, volume?: string): void {
    this.crashStorage(storage);
    storage.changeVolume(volume);
    this.timeline.after(downMs, () => this.restartStorage(storage));
  }

  /**
   * A storage's replica of the repository that is there from the start gets lost, or is another one. Only while
   * all is well: there have to be others that nobody doubts.
   */
  damage(name: string, how: 'loses' | 'alters'): boolean {
    const { record } = this;
    if (!isSettled(record) || record.replicas.length < 2) return false;
    this.#damaged.set(name, { knownSince: undefined });
    this.storage(name).damage(record.replicaPath, how);
    return true;
  }

  /** How many replicas were damaged behind everybody's back. */
  get damages(): number {
    return this.#damaged.size;
  }

  /** Whether a replica is damaged that the records take for in sync. */
  get isDeceived(): boolean {
    return [...this.#damaged.values()].some(({ knownSince }) => knownSince === undefined);
  }

  /** Whether `record` cannot know yet that the replica of that storage is damaged. */
  isDeceivedBy(name: string, record: RepositoryRecord): boolean {
    const damage = this.#damaged.get(name);
    if (damage === undefined) return false;
    return damage.knownSince === undefined || record.version < damage.knownSince;
  }

  /** To be called with each record of the repository: a damaged replica may have fallen behind. */
  noteRecord(record: RepositoryRecord): void {
    for (const [name, damage] of this.#damaged) {
      if (!inSyncVoters(record).includes(name)) damage.knownSince ??= record.version;
    }
  }

  /** A person looks for the volume that a storage had, since it is not used without it. */
  bringVolumesBack(): void {
    for (const storage of this.storages.values()) {
      const recorded = this.recordedVolume(storage.name);
      if (recorded !== undefined && recorded !== storage.volume) {
        this.changeVolume(storage, 300, recorded);
      }
    }
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
   * it copy unless its replica is claimed. What no record names any more nobody reads, as when a repository is removed
   * while it is written to or copied.
   */
  #onCommit({ name }: SimulatedProxy, what: Committed, storage: string): void {
    const isRight = what.kind === 'copy' ? this.#isClaimed(storage, name) : this.#isDurable(what);
    if (isRight) return;
    this.check(() => {
      throw new Error(`I1: ${name} lets ${storage} go on with a ${what.kind} not in the record`);
    });
  }

  #isDurable({ transaction }: Extract<Committed, { kind: 'write' }>): boolean {
    const known = this.#transactions.get(transaction);
    const record = known && this.recordOf(known.key);
    return record?.intents.some((intent) => intent.transaction === transaction) ?? true;
  }

  #isClaimed(storage: string, owner: string): boolean {
    const isClaim = ({ replicas }: RepositoryRecord) =>
      replicas.some((replica) => replica.storage === storage && replica.repair?.owner === owner);
    return this.recordOf(key) === undefined || this.records.some(isClaim);
  }

  #dropLinks(storage: SimulatedStorage, reason: string): void {
    for (const { links } of this.proxies) {
      links.find((link) => link.name === storage.name)?.drop(reason);
    }
  }

  #clockError(): ClockError {
    const { timeline, shape } = this;
    return {
      skewMs: timeline.between(-shape.skewMs, shape.skewMs),
      rate: 1 + timeline.between(-shape.drift, shape.drift),
    };
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
      () => {
        this.#changes += 1;
      },
    );
    return storage;
  }

  #createRepository(holders: readonly string[]): void {
    const [primary = ''] = holders;
    const replicaPath = 'r';
    for (const storage of holders) this.storage(storage).create(replicaPath);
    this.database.create({
      ...key,
      id: this.database.nextId(),
      replicaPath,
      version: 1n,
      epoch: 1n,
      lsn: 0n,
      primary,
      replicas: holders.map((storage) => ({ storage, lsn: 0n, role: 'voter' })),
      intents: [],
    });
  }
}

/** Tells when the identity of a storage has changed. */
class WatchedDatabase extends MemoryDatabase {
  readonly #onIdentity: () => void;

  constructor(clock: Timeline, onIdentity: () => void) {
    super({ clock });
    this.#onIdentity = onIdentity;
  }

  override putIdentity(next: StorageIdentity): boolean {
    const isDone = super.putIdentity(next);
    if (isDone) this.#onIdentity();
    return isDone;
  }
}

function randomShape(timeline: Timeline): ClusterShape {
  const replicationFactor = timeline.chance(0.3) ? 2 : 3;
  return {
    proxies: 3,
    replicationFactor,
    minInSyncReplicas: timeline.chance(0.5) ? 1 : replicationFactor - 1,
    storages: replicationFactor + (timeline.chance(0.2) ? 1 : 0),
    skewMs: 200,
    drift: 0,
  };
}
