import type { Stoppable } from '../../base/scope.ts';
import type { WriteEvidence } from '../health/write-failures.ts';
import type { NodeStatus, NodeView } from '../routing/node-view.ts';
import {
  placementWeights,
  typicalWeight,
  type DiskSpace,
  type PlacementWeight,
  type WeighedStorage,
} from '../routing/placement-weight.ts';
import type { ReplicationPolicy } from '../routing/route.ts';
import { headerField, type HeaderField } from '../wire/hpack/header-field.ts';
import type { ControlCalls, ReplicationSource } from './control-calls.ts';
import type { StorageCalls } from './storage-calls.ts';
import type { Storage } from './storage.ts';
import type { VolumeVerdict } from './storage-volume.ts';

/** What a storage weighs, and why. */
export type StorageWeighing = PlacementWeight & Pick<WeighedStorage, 'configuredWeight' | 'disk'>;

/** A storage name that GitLab knows, and the Gitaly storages behind it. */
export class VirtualStorage {
  readonly name: string;
  readonly policy: ReplicationPolicy;
  /** What calls to its storages say of it. One object for all of them: see {@link HeaderField}. */
  readonly field: HeaderField;
  readonly #storages: ReadonlyMap<string, Storage>;
  readonly #authorities: ReadonlyMap<string, HeaderField>;
  readonly #nodes: NodeView;
  #weights: ReadonlyMap<string, PlacementWeight> = new Map();

  constructor(name: string, policy: ReplicationPolicy, storages: readonly Storage[]) {
    this.name = name;
    this.policy = policy;
    this.#storages = new Map(storages.map((storage) => [storage.name, storage]));
    this.field = headerField('virtual_storage', name);
    this.#authorities = new Map(
      storages.map((storage) => [storage.name, headerField(':authority', storage.name)]),
    );
    const weightOf = (storage: string) => this.#weights.get(storage) ?? typical;
    this.#nodes = new Map(
      storages.map((storage) => [storage.name, new LiveStatus(storage, weightOf)]),
    );
  }

  get storages(): readonly Storage[] {
    return [...this.#storages.values()];
  }

  /** What is known of the storages. It changes with them: every call is routed by it. */
  nodes(): NodeView {
    return this.#nodes;
  }

  /** From now on clients are kept away from these storages, and from these only. */
  keepAwayFrom(storages: ReadonlySet<string>): void {
    for (const storage of this.#storages.values()) storage.isDraining = storages.has(storage.name);
  }

  /** From now on these weights and zones count, by storage, and these only. */
  setPlacement(weights: ReadonlyMap<string, number>, zones: ReadonlyMap<string, string>): void {
    for (const storage of this.#storages.values()) {
      storage.configuredWeight = weights.get(storage.name) ?? 'auto';
      storage.zone = zones.get(storage.name);
    }
    this.#weigh();
  }

  /**
   * So much is free on a storage's disk, or nobody knows.
   *
   * @throws Error if the virtual storage has no such storage
   */
  setDisk(storage: string, disk: DiskSpace | undefined): void {
    const measured = this.#storage(storage);
    if (measured.disk === disk) return;
    measured.disk = disk;
    this.#weigh();
  }

  /** @throws Error if the virtual storage has no such storage */
  weighing(storage: string): StorageWeighing {
    const { configuredWeight, disk } = this.#storage(storage);
    return { configuredWeight, disk, ...(this.#weights.get(storage) ?? typical) };
  }

  #weigh(): void {
    this.#weights = placementWeights(this.storages);
  }

  /** Whether some storage has not been heard of yet: this proxy has just started. */
  isSettling(): boolean {
    return this.storages.some((storage) => storage.health.kind === 'unknown');
  }

  /** Where calls to a storage begin. @throws Error if the virtual storage has no such storage */
  calls(storage: string): StorageCalls {
    return this.#storage(storage).calls;
  }

  /** The `:authority` of calls to a storage. @throws Error if the virtual storage has no such storage */
  authorityOf(storage: string): HeaderField {
    const authority = this.#authorities.get(storage);
    if (authority === undefined) throw new Error(`${this.name} has no storage ${storage}`);
    return authority;
  }

  /**
   * Whether calls wait for room there.
   *
   * @throws Error if the virtual storage has no such storage
   */
  isBusy(storage: string): boolean {
    return this.#storage(storage).calls.waiting > 0;
  }

  /** @throws Error if the virtual storage has no such storage */
  control(storage: string): ControlCalls {
    return this.#storage(storage).control;
  }

  /**
   * Signs a call to a storage.
   *
   * @throws Error if the virtual storage has no such storage
   */
  authorization(storage: string): HeaderField {
    return this.#storage(storage).token.authorization();
  }

  /** A write has ended on a storage. @throws Error if the virtual storage has no such storage */
  writeEnded(storage: string, evidence: WriteEvidence): void {
    this.#storage(storage).writes.ended(evidence);
  }

  /**
   * Where other storages find this one, and what they have to sign with.
   *
   * @throws Error if the virtual storage has no such storage
   */
  sourceOf(storage: string): ReplicationSource {
    const { address, token } = this.#storage(storage);
    return { storage, address, token: token.secret };
  }

  #storage(name: string): Storage {
    const storage = this.#storages.get(name);
    if (storage === undefined) throw new Error(`${this.name} has no storage ${name}`);
    return storage;
  }
}

/** As long as nothing is known. */
const typical: PlacementWeight = { weight: typicalWeight, isFull: false };

/** What a storage tells when it is asked. */
class LiveStatus implements NodeStatus {
  readonly storage: string;
  readonly #storage: Storage;
  readonly #weightOf: (storage: string) => PlacementWeight;

  constructor(storage: Storage, weightOf: (storage: string) => PlacementWeight) {
    this.storage = storage.name;
    this.#storage = storage;
    this.#weightOf = weightOf;
  }

  get healthy(): boolean {
    return this.#storage.health.kind === 'healthy';
  }

  get reason(): string | undefined {
    const { health } = this.#storage;
    switch (health.kind) {
      case 'healthy':
        return undefined;
      case 'unhealthy':
        return health.reason;
      case 'unknown':
        return 'not heard of yet';
    }
  }

  get failsWrites(): boolean {
    return this.#storage.writes.failsWrites;
  }

  get isDraining(): boolean {
    return this.#storage.isDraining || this.#storage.isDecommissioned;
  }

  get isDecommissioned(): boolean {
    return this.#storage.isDecommissioned;
  }

  get zone(): string | undefined {
    return this.#storage.zone;
  }

  get weight(): number {
    return this.#weightOf(this.storage).weight;
  }

  get isFull(): boolean {
    return this.#weightOf(this.storage).isFull;
  }

  get isSteady(): boolean {
    return this.#storage.isSteady;
  }

  get outstanding(): number {
    return this.#storage.outstanding;
  }

  get isWriting(): boolean {
    return this.#storage.isWriting;
  }
}

/** Compares volumes: see {@link Storage.start}. */
export interface VolumeChecks {
  check(
    key: { readonly virtualStorage: string; readonly storage: string },
    filesystemId: string,
  ): Promise<VolumeVerdict>;
}

/** All virtual storages of this proxy. */
export class StorageDirectory implements Stoppable {
  readonly #virtualStorages: ReadonlyMap<string, VirtualStorage>;

  constructor(virtualStorages: readonly VirtualStorage[]) {
    this.#virtualStorages = new Map(virtualStorages.map((storage) => [storage.name, storage]));
  }

  get all(): readonly VirtualStorage[] {
    return [...this.#virtualStorages.values()];
  }

  get(name: string): VirtualStorage | undefined {
    return this.#virtualStorages.get(name);
  }

  start(volumes: VolumeChecks): void {
    for (const { name: virtualStorage, storages } of this.all) {
      for (const storage of storages) {
        const key = { virtualStorage, storage: storage.name };
        storage.start((filesystemId) => volumes.check(key, filesystemId));
      }
    }
  }

  async stop(): Promise<void> {
    await Promise.all(
      this.all.flatMap(({ storages }) => storages.map((storage) => storage.stop())),
    );
  }
}
