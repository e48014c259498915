import { statusCodes } from '../../rpc/status.ts';
import { readTarget } from '../routing/first-message.ts';
import { lookupMethod, type MethodInfo } from '../routing/method-table.ts';
import { inSyncVoters } from '../routing/repository-record.ts';
import { routeRead } from '../routing/route.ts';
import type { RepositoryKey } from '../store/control-store.ts';
import { pick } from '../../base/random.ts';
import type { VirtualStorage } from '../upstream/storage-directory.ts';
import type { RelayContext } from './context.ts';
import { beginCreation, takeBackCreation } from './creation.ts';
import { LocalCallError, statusOf } from './local-method.ts';
import { ReadCall } from './read-call.ts';
import type { ServerCall } from './server-call.ts';
import { readRepository, repositoryNotFound, rewriteFor } from './target.ts';
import { admitWrite, isBeingCreated } from './write-admission.ts';
import { WriteCall } from './write-call.ts';
import { writeClassOf } from './write-classes.ts';

export interface ForwarderOptions {
  readonly context: RelayContext;
  replicaPathOf(id: bigint, relativePath: string): string;
}

/** Sends calls on to the storages, as their method and their first message demand. */
export class Forwarder {
  readonly #context: RelayContext;
  readonly #replicaPathOf: ForwarderOptions['replicaPathOf'];
  #lastTransaction = 0;

  constructor(options: ForwarderOptions) {
    this.#context = options.context;
    this.#replicaPathOf = options.replicaPathOf;
  }

  /** Answers the call. Never rejects. */
  async forward(call: ServerCall): Promise<void> {
    try {
      await this.#forward(call, lookupMethod(call.head.path));
    } catch (error) {
      call.fail(statusOf(error));
    }
  }

  async #forward(call: ServerCall, method: MethodInfo): Promise<void> {
    switch (method.scope) {
      case 'repository':
        await this.#forwardToRepository(call, method);
        return;
      case 'storage':
        this.#forwardToStorage(call, method);
        return;
      case 'partition':
      case 'none':
        throw new LocalCallError(
          statusCodes.UNIMPLEMENTED,
          `${method.name} is not served for a virtual storage`,
        );
    }
  }

  async #forwardToRepository(call: ServerCall, method: MethodInfo): Promise<void> {
    const target = readRepository(call, method);
    const virtualStorage = this.#virtualStorage(target.storage, 'storage name not found');
    const key = { virtualStorage: virtualStorage.name, relativePath: target.relativePath };
    call.trace.virtualStorage = key.virtualStorage;
    call.trace.relativePath = key.relativePath;
    if (method.op === 'accessor') {
      await this.#read(call, method, virtualStorage, key);
    } else if (!method.transactional && method.op === 'mutator') {
      // Object pools: see docs/limits.md.
      throw new LocalCallError(statusCodes.UNIMPLEMENTED, `${method.name} is not served yet`);
    } else if (method.creates === undefined) {
      await this.#write(call, method, virtualStorage, key);
    } else {
      await this.#create(call, method, virtualStorage, key);
    }
  }

  /** A call about a storage as a whole goes to any storage that can be reached. */
  #forwardToStorage(call: ServerCall, method: MethodInfo): void {
    if (method.op !== 'accessor') {
      throw new LocalCallError(
        statusCodes.UNIMPLEMENTED,
        `${method.name} changes one storage and is not served for a virtual storage`,
      );
    }
    const target = readTarget(call.firstMessage, method);
    if (target.kind !== 'ok' || target.storage === '') {
      const message = 'storage scoped: target storage is invalid';
      throw new LocalCallError(statusCodes.INVALID_ARGUMENT, message);
    }
    const virtualStorage = this.#virtualStorage(target.storage, 'virtual storage does not exist');
    call.trace.virtualStorage = virtualStorage.name;
    new ReadCall({
      call,
      virtualStorage,
      context: this.#context,
      route: (excluded) => {
        const usable = [...virtualStorage.nodes().values()].filter(
          (node) => node.healthy && !excluded.has(node.storage),
        );
        const node = pick(this.#context.random, usable);
        return node === undefined
          ? { kind: 'unavailable', reason: 'no storage can be reached' }
          : { kind: 'read', storage: node.storage };
      },
      rewrite: (storage) => rewriteFor(call, method, { storage, relativePath: '' }),
    }).start();
  }

  async #read(
    call: ServerCall,
    method: MethodInfo,
    virtualStorage: VirtualStorage,
    key: RepositoryKey,
  ): Promise<void> {
    const { view, random } = this.#context;
    const record = view.peek(key) ?? (await view.get(key));
    if (record === undefined || isBeingCreated(record)) throw repositoryNotFound();
    call.trace.repositoryFound(record);
    const primaryOnly = call.head.primaryOnly || method.forcePrimary === true;
    new ReadCall({
      call,
      virtualStorage,
      context: this.#context,
      // A later attempt goes by what is known then.
      route: (excluded) =>
        routeRead(view.peek(key) ?? record, virtualStorage.nodes(), {
          primaryOnly,
          excluded,
          random,
        }),
      rewrite: (storage) => rewriteFor(call, method, { storage, relativePath: record.replicaPath }),
    }).start();
  }

  async #write(
    call: ServerCall,
    method: MethodInfo,
    virtualStorage: VirtualStorage,
    key: RepositoryKey,
  ): Promise<void> {
    const context = this.#context;
    const admission = await admitWrite(key, virtualStorage, context);
    if (admission.kind === 'notFound') throw repositoryNotFound();
    if (admission.kind === 'unavailable') {
      throw new LocalCallError(statusCodes.UNAVAILABLE, admission.reason);
    }
    const { record, route } = admission;
    call.trace.repositoryFound(record);
    call.trace.writeRouted(route);
    const additional = await this.#additionalPath(call, method);
    await new WriteCall({
      call,
      virtualStorage,
      context,
      record,
      ...route,
      ...writeClassOf(method),
      transaction: this.#newTransaction(),
      rewrite: (storage) =>
        rewriteFor(call, method, { storage, relativePath: record.replicaPath }, additional),
    }).run();
  }

  async #create(
    call: ServerCall,
    method: MethodInfo,
    virtualStorage: VirtualStorage,
    key: RepositoryKey,
  ): Promise<void> {
    const context = this.#context;
    const additional = await this.#additionalPath(call, method);
    const transaction = this.#newTransaction();
    const release = context.writes.hold(transaction);
    try {
      return await this.#createAs(transaction, call, method, virtualStorage, key, additional);
    } finally {
      release();
    }
  }

  async #createAs(
    transaction: string,
    call: ServerCall,
    method: MethodInfo,
    virtualStorage: VirtualStorage,
    key: RepositoryKey,
    additional: string | undefined,
  ): Promise<void> {
    const context = this.#context;
    const record = await beginCreation(
      key,
      transaction,
      virtualStorage,
      context,
      this.#replicaPathOf,
    );
    if (record === 'exists') {
      if (method.creates === 'upsert') return this.#write(call, method, virtualStorage, key);
      throw new LocalCallError(statusCodes.ALREADY_EXISTS, 'repository already exists');
    }
    const voters = inSyncVoters(record);
    call.trace.repositoryFound(record);
    call.trace.writeRouted({ primary: record.primary, voters, learners: [] });
    const settlement = await new WriteCall({
      call,
      virtualStorage,
      context,
      record,
      primary: record.primary,
      voters,
      learners: [],
      transaction,
      intent: 'taken',
      changesNeedVotes: true,
      rewrite: (storage) =>
        rewriteFor(call, method, { storage, relativePath: record.replicaPath }, additional),
    }).run();
    if (settlement.kind === 'unchanged') await takeBackCreation(record, virtualStorage, context);
    return undefined;
  }

  /** The replica path of the second repository that a call names, if it names one. */
  async #additionalPath(call: ServerCall, method: MethodInfo): Promise<string | undefined> {
    if (method.additional === undefined) return undefined;
    const target = readRepository(call, method);
    if (target.additional === undefined) return undefined;
    const { storage, relativePath } = target.additional;
    if (storage !== target.storage) {
      throw new LocalCallError(
        statusCodes.INVALID_ARGUMENT,
        'resolving additional repository on different storage than target repository is not supported',
      );
    }
    const record = await this.#context.view.get({ virtualStorage: storage, relativePath });
    if (record === undefined) {
      throw new LocalCallError(statusCodes.NOT_FOUND, 'additional repository not found');
    }
    return record.replicaPath;
  }

  #virtualStorage(name: string, unknown: string): VirtualStorage {
    const virtualStorage = this.#context.storages.get(name);
    if (virtualStorage === undefined) {
      throw new LocalCallError(statusCodes.INVALID_ARGUMENT, unknown);
    }
    return virtualStorage;
  }

  #newTransaction(): string {
    this.#lastTransaction += 1;
    return `${this.#context.owner}/${this.#lastTransaction}`;
  }
}
