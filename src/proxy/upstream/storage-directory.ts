import type { Stoppable } from '../../base/scope.ts';
import type { NodeStatus, NodeView } from '../routing/node-view.ts';
import type { ReplicationPolicy } from '../routing/route.ts';
import type { HeaderField } from '../wire/hpack/header-field.ts';
import type { Http2Session } from '../wire/http2/session.ts';
import type { ControlCalls } from './control-calls.ts';
import type { Storage } from './storage.ts';

/** A storage name that GitLab knows, and the Gitaly storages behind it. */
export class VirtualStorage {
  readonly name: string;
  readonly policy: ReplicationPolicy;
  readonly #storages: ReadonlyMap<string, Storage>;

  constructor(name: string, policy: ReplicationPolicy, storages: readonly Storage[]) {
    this.name = name;
    this.policy = policy;
    this.#storages = new Map(storages.map((storage) => [storage.name, storage]));
  }

  get storages(): readonly Storage[] {
    return [...this.#storages.values()];
  }

  /** What is known of the storages at this moment. */
  nodes(): NodeView {
    return new Map([...this.#storages].map(([name, storage]) => [name, statusOf(storage)]));
  }

  /** Whether some storage has not been heard of yet: this proxy has just started. */
  isSettling(): boolean {
    return this.storages.some((storage) => storage.health.kind === 'unknown');
  }

  /** The session to a storage, or undefined while there is none. */
  session(storage: string): Http2Session | undefined {
    return this.#storages.get(storage)?.session;
  }

  /** @throws Error if the virtual storage has no such storage */
  control(storage: string): ControlCalls {
    return this.#storage(storage).control;
  }

  /** @throws Error if the virtual storage has no such storage */
  addressOf(storage: string): string {
    return this.#storage(storage).address;
  }

  #storage(name: string): Storage {
    const storage = this.#storages.get(name);
    if (storage === undefined) throw new Error(`${this.name} has no storage ${name}`);
    return storage;
  }
}

function statusOf(storage: Storage): NodeStatus {
  const { name, health, outstanding } = storage;
  switch (health.kind) {
    case 'healthy':
      return { storage: name, healthy: true, outstanding };
    case 'unhealthy':
      return { storage: name, healthy: false, reason: health.reason, outstanding };
    case 'unknown':
      return { storage: name, healthy: false, reason: 'not heard of yet', outstanding };
  }
}

/** All virtual storages of this proxy. */
export class StorageDirectory implements Stoppable {
  readonly #virtualStorages: ReadonlyMap<string, VirtualStorage>;
  readonly authorization: () => HeaderField;

  constructor(virtualStorages: readonly VirtualStorage[], authorization: () => HeaderField) {
    this.#virtualStorages = new Map(virtualStorages.map((storage) => [storage.name, storage]));
    this.authorization = authorization;
  }

  get all(): readonly VirtualStorage[] {
    return [...this.#virtualStorages.values()];
  }

  get(name: string): VirtualStorage | undefined {
    return this.#virtualStorages.get(name);
  }

  start(): void {
    for (const { storages } of this.all) for (const storage of storages) storage.start();
  }

  async stop(): Promise<void> {
    await Promise.all(
      this.all.flatMap(({ storages }) => storages.map((storage) => storage.stop())),
    );
  }
}
