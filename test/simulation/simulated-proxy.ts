import { errorMessage } from '../../src/base/errors.ts';
import type { Logger } from '../../src/base/logger.ts';
import { statusCodes } from '../../src/rpc/status.ts';
import { removeRepository } from '../../src/proxy/admin/repository-methods.ts';
import { carryOutWrite } from '../../src/proxy/relay/carry-out-write.ts';
import type { RelayContext } from '../../src/proxy/relay/context.ts';
import { endDecisions } from '../../src/proxy/relay/lease-lapse.ts';
import { beginCreation, takeBackCreation } from '../../src/proxy/relay/creation.ts';
import {
  type ErrorWeight,
  knownForRead,
  recordForRead,
  weightOfError,
} from '../../src/proxy/relay/read-record.ts';
import { SidechannelRegistry } from '../../src/proxy/relay/sidechannel-registry.ts';
import { admitWrite, isBeingCreated } from '../../src/proxy/relay/write-admission.ts';
import { WriteCall } from '../../src/proxy/relay/write-call.ts';
import type { WriteClass } from '../../src/proxy/relay/write-classes.ts';
import { acceptLoss, type AcceptLossOutcome } from '../../src/proxy/replication/accept-loss.ts';
import { RepairLoop } from '../../src/proxy/replication/repair-loop.ts';
import { Settler } from '../../src/proxy/replication/settler.ts';
import { VolumeGuard } from '../../src/proxy/replication/volume-guard.ts';
import type { Move, RepositoryRecord } from '../../src/proxy/routing/repository-record.ts';
import { routeRead, type ReplicationPolicy } from '../../src/proxy/routing/route.ts';
import type { RepositoryKey } from '../../src/proxy/store/control-store.ts';
import { beginMove } from '../../src/proxy/transactions/replica-move.ts';
import { changeReplicaCount } from '../../src/proxy/transactions/replica-count.ts';
import { WriteRegistry } from '../../src/proxy/transactions/write-registry.ts';
import { StorageDirectory, VirtualStorage } from '../../src/proxy/upstream/storage-directory.ts';
import { VerificationLoop } from '../../src/proxy/verification/verification-loop.ts';
import { verifyReplicas } from '../../src/proxy/verification/verifier.ts';
import { Membership } from '../../src/proxy/view/membership.ts';
import { RepositoryView } from '../../src/proxy/view/repository-view.ts';
import { changeForPerson } from './change-for-person.ts';
import type { OnCommit } from './committed.ts';
import { noMetrics, noVerificationMetrics, noVolumeMetrics } from './no-metrics.ts';
import { simulatedCall, type OnAnswer } from './simulated-call.ts';
import { SimulatedLink } from './simulated-link.ts';
import { SimulatedProcess, type ClockError } from './simulated-process.ts';
import type { SimulatedStorage, StorageRequest, WriteRequest } from './simulated-storage.ts';
import { SimulatedStore, type SimulatedStoreOptions } from './simulated-store.ts';
import type { Timeline } from './timeline.ts';

/** The virtual storage of every simulation. */
export const virtualStorageName = 'default';

/** What a transaction is to do, and where. */
export interface Transaction {
  readonly key: RepositoryKey;
  readonly request: WriteRequest;
  /** Whom it was routed with. Not with a creation. */
  readonly primary?: string;
}

export interface SimulatedProxyOptions extends SimulatedStoreOptions {
  readonly name: string;
  readonly storages: ReadonlyMap<string, SimulatedStorage>;
  readonly policy: ReplicationPolicy;
  readonly repairIntervalMs: number | undefined;
  readonly fullRepairIntervalMs: number | undefined;
  /** Default: nothing is verified. */
  readonly verificationIntervalMs: number | undefined;
  readonly onCommit: OnCommit;
  /** Called with each transaction before it begins. */
  onTransaction(name: string, transaction: Transaction): void;
  readonly clockError: ClockError;
}

/** A proxy: everything but sockets and messages is the product's. */
export class SimulatedProxy {
  readonly process: SimulatedProcess;
  readonly store: SimulatedStore;
  readonly view: RepositoryView;
  readonly membership: Membership;
  readonly virtualStorage: VirtualStorage;
  readonly links: readonly SimulatedLink[];
  readonly #context: RelayContext;
  readonly #repairLoop: RepairLoop;
  readonly #verificationLoop: VerificationLoop | undefined;
  readonly #onTransaction: SimulatedProxyOptions['onTransaction'];
  #lastTransaction = 0;

  constructor(options: SimulatedProxyOptions) {
    const { name: owner, timeline, storages: simulated, policy } = options;
    const clock = new SimulatedProcess(owner, timeline, options.clockError);
    const { random } = timeline;
    const writes = new WriteRegistry();
    const storageNamed = (name: string) => {
      const storage = simulated.get(name);
      if (storage === undefined) throw new Error(`there is no storage ${name}`);
      return storage;
    };
    this.process = clock;
    this.#onTransaction = options.onTransaction;
    this.store = new SimulatedStore(options, clock);
    this.links = [...simulated.values()].map(
      (storage) =>
        new SimulatedLink(clock, storage, writes, storageNamed, options.onCommit, (volume) =>
          volumes.check({ virtualStorage: virtualStorageName, storage: storage.name }, volume),
        ),
    );
    this.virtualStorage = new VirtualStorage(
      virtualStorageName,
      policy,
      this.links.map((link) => link.asStorage()),
    );
    const logger = tellingLogger(owner, timeline);
    const storages = new StorageDirectory([this.virtualStorage]);
    const outage = { failed() {}, worked() {} };
    const common = { store: this.store, owner, clock, logger, outage, storages };
    const view = new RepositoryView(common);
    const membership = new Membership({
      ...common,
      onLapse: (leftMs) => endDecisions(leftMs, { ...common, writes }),
    });
    this.view = view;
    this.membership = membership;
    const repair = {
      ...common,
      view,
      membership,
      writes,
    };
    const volumes = new VolumeGuard({ ...common, view, metrics: noVolumeMetrics, random });
    const settler = new Settler(repair);
    const metrics = { repairStarted: () => () => {} };
    const { repairIntervalMs: intervalMs, fullRepairIntervalMs: fullIntervalMs } = options;
    this.#repairLoop = new RepairLoop({
      ...repair,
      settler,
      random,
      repair,
      metrics,
      ...(intervalMs !== undefined && { intervalMs }),
      ...(fullIntervalMs !== undefined && { fullIntervalMs }),
    });
    const { verificationIntervalMs } = options;
    if (verificationIntervalMs !== undefined) {
      this.#verificationLoop = new VerificationLoop({
        ...common,
        queue: this.store.verifications,
        verify: (record) => verifyReplicas(record, { ...repair, metrics: noVerificationMetrics }),
        membership,
        policy: { intervalMs: verificationIntervalMs, callsPerSecond: 1000 },
      });
    }
    this.#context = {
      ...common,
      view,
      membership,
      writes,
      sidechannels: new SidechannelRegistry({ clock, logger }),
      metrics: noMetrics,
      random,
      replicaPathOf: (id) => `@cluster/${id}`,
      settleAbandoned: (record) => settler.settle(record),
    };
  }

  get name(): string {
    return this.process.name;
  }

  /** Keeps trying while the store is away. */
  async start(): Promise<void> {
    for (;;) {
      try {
        await this.view.start();
        await this.membership.start();
        this.#repairLoop.start();
        this.#verificationLoop?.start();
        return;
      } catch {
        await new Promise<void>((resolve) => {
          this.process.after(100, resolve);
        });
      }
    }
  }

  /** Carries out a write as the forwarder does. `onAnswer` is not called if the proxy crashes. */
  async write(
    key: RepositoryKey,
    request: WriteRequest,
    writeClass: WriteClass,
    abortAfterMs: number | undefined,
    onAnswer: OnAnswer,
  ): Promise<void> {
    const context = this.#context;
    try {
      const call = simulatedCall(this.process, abortAfterMs, onAnswer);
      await carryOutWrite(context, async (routesAgain) => {
        const admission = await admitWrite(key, this.virtualStorage, context);
        if (admission.kind === 'notFound') throw new Error('there is no such repository');
        if (admission.kind === 'unavailable') throw new Error(admission.reason);
        const { primary } = admission.route;
        const transaction = this.#newTransaction({ key, request, primary });
        return new WriteCall({
          call,
          virtualStorage: this.virtualStorage,
          context,
          record: admission.record,
          ...admission.route,
          ...writeClass,
          routesAgain,
          transaction,
          rewrite: bytesOf({ ...request, transaction, replicaPath: admission.record.replicaPath }),
        }).run();
      });
    } catch (error) {
      onAnswer(statusCodes.UNAVAILABLE, errorMessage(error));
    }
  }

  /** Makes a repository as the forwarder does. `onAnswer` is not called if the proxy crashes. */
  async create(key: RepositoryKey, request: WriteRequest, onAnswer: OnAnswer): Promise<void> {
    const context = this.#context;
    const { virtualStorage } = this;
    let exists = false;
    try {
      const call = simulatedCall(this.process, undefined, onAnswer);
      await carryOutWrite(context, async (routesAgain) => {
        const transaction = this.#newTransaction({ key, request });
        const release = context.writes.hold(transaction);
        try {
          const record = await beginCreation({ key, transaction, virtualStorage }, context);
          exists = record === 'exists';
          if (record === 'exists') return { kind: 'unchanged', isCalledOff: false };
          const { primary, intents, replicaPath } = record;
          const end = await new WriteCall({
            call,
            virtualStorage,
            context,
            record,
            primary,
            voters: intents[0]?.voters ?? [],
            learners: [],
            intent: 'taken',
            changesNeedVotes: true,
            routesAgain,
            transaction,
            rewrite: bytesOf({ ...request, transaction, replicaPath }),
          }).run();
          if (end.kind === 'unchanged' || end.kind === 'routeAgain') {
            await takeBackCreation(record, virtualStorage, context);
          }
          return end;
        } finally {
          release();
        }
      });
      if (exists) onAnswer(statusCodes.ALREADY_EXISTS, 'repository already exists');
    } catch (error) {
      onAnswer(statusCodes.UNAVAILABLE, errorMessage(error));
    }
  }

  async remove(key: RepositoryKey, onAnswer: OnAnswer): Promise<void> {
    try {
      const outcome = await removeRepository(key, this.#context);
      onAnswer(outcome === 'removed' ? statusCodes.OK : statusCodes.NOT_FOUND, outcome);
    } catch (error) {
      onAnswer(statusCodes.UNAVAILABLE, errorMessage(error));
    }
  }

  /** Reads all references, or undefined if that fails. */
  async read(key: RepositoryKey): Promise<ReadonlyMap<string, string> | undefined> {
    const { random } = this.#context;
    try {
      const record = knownForRead(key, this.#context) ?? (await recordForRead(key, this.#context));
      if (record === undefined || isBeingCreated(record)) return undefined;
      const excluded = new Set<string>();
      let answer: ReadonlyMap<string, string> | undefined;
      for (;;) {
        const options = { primaryOnly: false, excluded, random };
        const latest = this.view.latest(record);
        const route = routeRead(latest, this.virtualStorage.nodes(), options);
        if (route.kind !== 'read') return answer;
        const { refs, weight } = await this.#readFrom(route.storage, record);
        if (weight === 'stands') return refs;
        answer = weight === 'doubtful' ? refs : undefined;
        excluded.add(route.storage);
      }
    } catch {
      return undefined;
    }
  }

  /** What that storage answers, and what that counts: nothing is found where there is no repository. */
  async #readFrom(
    storage: string,
    record: RepositoryRecord,
  ): Promise<{ readonly refs: ReadonlyMap<string, string>; readonly weight: ErrorWeight }> {
    const link = this.links.find(({ name }) => name === storage);
    const nothing = new Map<string, string>();
    try {
      const refs = await link?.read(record.replicaPath);
      if (refs !== undefined) return { refs, weight: 'stands' };
    } catch {
      return { refs: nothing, weight: 'void' };
    }
    return { refs: nothing, weight: weightOfError(storage, record, this.#context) };
  }

  /** A person asks for that number of replicas. Returns whether it was accepted. */
  changeReplicaCount(key: RepositoryKey, count: number): Promise<boolean> {
    const { policy, storages } = this.virtualStorage;
    const candidates = storages.map(({ name }) => name);
    const { minInSyncReplicas } = policy;
    return changeForPerson(this.view, key, (current) =>
      changeReplicaCount(current, count, { candidates, minInSyncReplicas }),
    );
  }

  /** A person asks for a replica to be moved. Returns whether it was accepted. */
  moveReplica(key: RepositoryKey, move: Move): Promise<boolean> {
    return changeForPerson(this.view, key, (current) => beginMove(current, move));
  }

  /** A person says that the replica on `storage` is right. */
  async acceptLoss(key: RepositoryKey, storage: string): Promise<AcceptLossOutcome['kind']> {
    const { virtualStorage } = this;
    try {
      const record = await this.#context.view.get(key);
      if (record === undefined) return 'refused';
      const options = { ...this.#context, virtualStorage };
      return (await acceptLoss(record, storage, options)).kind;
    } catch {
      return 'busy';
    }
  }

  /** Whether it can do all that it is there for. */
  get isReady(): boolean {
    return (
      this.process.isRunning &&
      this.view.connected &&
      this.membership.holdsLease &&
      this.links.every(({ health }) => health.kind === 'healthy')
    );
  }

  /** What this proxy routes reads by, if it serves any: the replicas that it takes for in sync. */
  recordForReads(key: RepositoryKey): RepositoryRecord | undefined {
    if (!this.process.isRunning || !this.membership.holdsLease) return undefined;
    const record = this.view.peek(key);
    // What is being made exists for nobody, and was maybe taken back since.
    return record?.intents.some(({ kind }) => kind === 'creation') ? undefined : record;
  }

  crash(): void {
    this.process.crash();
    for (const link of this.links) link.cut();
  }

  #newTransaction(transaction: Transaction): string {
    this.#lastTransaction += 1;
    const name = `${this.name}/${this.#lastTransaction}`;
    this.#onTransaction(name, transaction);
    return name;
  }
}

function tellingLogger(owner: string, timeline: Timeline): Logger {
  const tell = (fields: object, message: string) =>
    timeline.tell(
      () =>
        `${owner}: ${message} ${JSON.stringify(fields, (_, value: unknown) =>
          typeof value === 'bigint' ? Number(value) : value,
        )}`,
    );
  const logger: Logger = { debug: tell, info: tell, warn: tell, error: tell, child: () => logger };
  return logger;
}

function bytesOf(request: StorageRequest): () => Buffer {
  return () => Buffer.from(JSON.stringify(request));
}
