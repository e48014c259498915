import { statusCodes } from '../../rpc/status.ts';
import type { RepositoryTarget } from '../routing/first-message.ts';
import { lookupMethod, type MethodInfo } from '../routing/method-table.ts';
import { routeToQuarantine } from '../routing/quarantine.ts';
import { inSyncVoters, type RepositoryRecord } from '../routing/repository-record.ts';
import { routeRead } from '../routing/route.ts';
import type { RepositoryKey } from '../store/control-store.ts';
import type { VirtualStorage } from '../upstream/storage-directory.ts';
import { upstreamMetadata } from './call-head.ts';
import type { RelayContext } from './context.ts';
import { beginCreation, takeBackCreation } from './creation.ts';
import { LocalCallError, statusOf } from './local-method.ts';
import { maintain } from './maintenance-call.ts';
import { QuarantineHolders } from './quarantine-holders.ts';
import { ReadCall } from './read-call.ts';
import { knownForRead, recordForRead, weightOfError } from './read-record.ts';
import { findSecondRepository, requestFor, spread } from './second-repository.ts';
import type { ServerCall } from './server-call.ts';
import { forwardToStorage, readFromAnyStorage } from './storage-call.ts';
import { readRepository, repositoryNotFound, rewriteFor } from './target.ts';
import { UnknownMethods } from './unknown-methods.ts';
import { admitWrite, isBeingCreated } from './write-admission.ts';
import { carryOutWrite } from './carry-out-write.ts';
import { WriteCall, type WriteCallOptions, type WriteEnd } from './write-call.ts';
import { writeClassOf } from './write-classes.ts';

/** What a read is about: a repository, and the folder of a push if it is to be read from. */
type ReadTarget = Pick<RepositoryTarget, 'relativePath' | 'quarantine'>;

/** Sends calls on to the storages, as their method and their first message demand. */
export class Forwarder {
  readonly #context: RelayContext;
  readonly #unknownMethods: UnknownMethods;
  readonly #quarantineHolders: QuarantineHolders;
  #lastTransaction = 0;

  constructor(context: RelayContext) {
    this.#context = context;
    this.#unknownMethods = new UnknownMethods(context);
    this.#quarantineHolders = new QuarantineHolders(context);
  }

  /**
   * Answers the call.
   *
   * @returns undefined if there is no more to do than to relay: so it is with most calls, and a
   *   promise for each of them would cost as much as their routing. Never rejects
   */
  forward(call: ServerCall): Promise<void> | undefined {
    const fail = (error: unknown) => call.fail(statusOf(error));
    try {
      const method = lookupMethod(call.head.path);
      const located = method.known ? method : this.#unknownMethods.locate(call, method);
      return this.#forward(call, located)?.catch(fail);
    } catch (error) {
      fail(error);
      return undefined;
    }
  }

  #forward(call: ServerCall, method: MethodInfo): Promise<void> | undefined {
    switch (method.scope) {
      case 'repository':
        return this.#forwardToRepository(call, method);
      case 'storage':
        forwardToStorage(call, method, this.#context);
        return undefined;
      case 'partition':
      case 'none':
        throw new LocalCallError(
          statusCodes.UNIMPLEMENTED,
          `${method.name} is not served for a virtual storage`,
        );
    }
  }

  #forwardToRepository(call: ServerCall, method: MethodInfo): Promise<void> | undefined {
    const target = readRepository(call, method);
    const virtualStorage = this.#virtualStorage(target.storage, 'storage name not found');
    const key = { virtualStorage: virtualStorage.name, relativePath: target.relativePath };
    call.trace.repositoryNamed(key);
    if (method.op === 'accessor') {
      const known = knownForRead(key, this.#context);
      this.#context.metrics.repositoryLookedUp(key.virtualStorage, known !== undefined);
      return known === undefined
        ? this.#findAndRead(call, method, virtualStorage, target)
        : this.#read(call, method, virtualStorage, target, known);
    }
    if (method.op === 'maintenance') {
      return maintain(call, method, { virtualStorage, key, context: this.#context });
    }
    return method.creates === undefined
      ? this.#write(call, method, virtualStorage, key)
      : this.#create(call, method, virtualStorage, key);
  }

  async #findAndRead(
    call: ServerCall,
    method: MethodInfo,
    virtualStorage: VirtualStorage,
    target: ReadTarget,
  ): Promise<void> {
    const { relativePath } = target;
    const key = { virtualStorage: virtualStorage.name, relativePath };
    const record = await recordForRead(key, this.#context);
    await this.#read(call, method, virtualStorage, target, record);
  }

  #read(
    call: ServerCall,
    method: MethodInfo,
    virtualStorage: VirtualStorage,
    { relativePath, quarantine }: ReadTarget,
    record: RepositoryRecord | undefined,
  ): Promise<void> | undefined {
    if (record === undefined || isBeingCreated(record)) {
      if (method.answersForMissing !== true) throw repositoryNotFound();
      readFromAnyStorage(call, method, { virtualStorage, relativePath, context: this.#context });
      return undefined;
    }
    call.trace.repositoryFound(record);
    if (quarantine !== undefined) {
      return this.#findQuarantineAndRead(call, method, virtualStorage, record, quarantine);
    }
    this.#readReplica(call, method, virtualStorage, record, undefined);
    return undefined;
  }

  async #findQuarantineAndRead(
    call: ServerCall,
    method: MethodInfo,
    virtualStorage: VirtualStorage,
    record: RepositoryRecord,
    directory: string,
  ): Promise<void> {
    const metadata = upstreamMetadata(call.head, virtualStorage.name);
    const search = { record, directory, storages: virtualStorage, metadata };
    const holder = await this.#quarantineHolders.find(search);
    if (call.ended) return;
    if (holder === undefined) {
      // Asking has taken time: what was known may not hold any more.
      const { relativePath } = record;
      await this.#findAndRead(call, method, virtualStorage, { relativePath });
    } else this.#readReplica(call, method, virtualStorage, record, holder);
  }

  /** @param holder which storage alone has what is to be read, if it has to be a certain one */
  #readReplica(
    call: ServerCall,
    method: MethodInfo,
    virtualStorage: VirtualStorage,
    record: RepositoryRecord,
    holder: string | undefined,
  ): void {
    const { view, random } = this.#context;
    new ReadCall({
      call,
      virtualStorage,
      context: this.#context,
      // A later attempt goes by what is known then.
      route: (excluded) =>
        holder === undefined
          ? routeRead(view.latest(record), virtualStorage.nodes(), {
              primaryOnly: call.head.primaryOnly,
              preferPrimary: method.forcePrimary === true,
              excluded,
              random,
            })
          : routeToQuarantine(holder, virtualStorage.nodes(), excluded),
      weightOfError: (storage) =>
        storage === holder ? 'stands' : weightOfError(storage, record, this.#context),
      answersOnce: method.answersOnce === true,
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
    const second = await findSecondRepository(call, method, context);
    if (second !== undefined && method.borrowsFromAdditional === true) {
      await spread(second.record, key, context);
    }
    const opened = second?.standsIn === 'request' ? second.record : undefined;
    await carryOutWrite(context, async (routesAgain) => {
      const admission = await admitWrite(key, virtualStorage, context, opened);
      if (admission.kind === 'notFound') throw repositoryNotFound();
      if (admission.kind === 'unavailable') {
        throw new LocalCallError(statusCodes.UNAVAILABLE, admission.reason);
      }
      const { record, route } = admission;
      call.trace.repositoryFound(record);
      call.trace.writeRouted(route);
      return new WriteCall({
        call,
        ...requestFor(call, method, record, second),
        virtualStorage,
        context,
        record,
        ...route,
        ...writeClassOf(method),
        routesAgain,
        transaction: this.#newTransaction(),
      }).run();
    });
  }

  async #create(
    call: ServerCall,
    method: MethodInfo,
    virtualStorage: VirtualStorage,
    key: RepositoryKey,
  ): Promise<void> {
    const context = this.#context;
    const second = await findSecondRepository(call, method, context);
    let exists = false;
    await carryOutWrite(context, async (routesAgain) => {
      const transaction = this.#newTransaction();
      const release = context.writes.hold(transaction);
      try {
        const creation = { key, transaction, virtualStorage, beside: second?.record };
        const record = await beginCreation(creation, context);
        exists = record === 'exists';
        if (record === 'exists') return { kind: 'unchanged', isCalledOff: false };
        const request = requestFor(call, method, record, second);
        return await this.#createAs(record, {
          ...request,
          call,
          virtualStorage,
          routesAgain,
          transaction,
        });
      } finally {
        release();
      }
    });
    if (!exists) return;
    if (method.creates === 'upsert') await this.#write(call, method, virtualStorage, key);
    else throw new LocalCallError(statusCodes.ALREADY_EXISTS, 'repository already exists');
  }

  /** Carries a creation out whose record has been made, and takes it back if it comes to nothing. */
  async #createAs(
    record: RepositoryRecord,
    options: Omit<
      WriteCallOptions,
      'context' | 'record' | 'primary' | 'voters' | 'learners' | 'intent' | 'changesNeedVotes'
    >,
  ): Promise<WriteEnd> {
    const context = this.#context;
    const { trace } = options.call;
    const voters = inSyncVoters(record);
    trace.repositoryFound(record);
    trace.writeRouted({ primary: record.primary, voters, learners: [] });
    const end = await new WriteCall({
      ...options,
      context,
      record,
      primary: record.primary,
      voters,
      learners: [],
      intent: 'taken',
      changesNeedVotes: true,
    }).run();
    if (end.kind === 'unchanged' || end.kind === 'routeAgain') {
      await takeBackCreation(record, options.virtualStorage, context);
    }
    return end;
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
