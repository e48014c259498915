import type { Clock } from '../../src/base/clock.ts';
import { errorMessage } from '../../src/base/errors.ts';
import type { Logger } from '../../src/base/logger.ts';
import { statusCodes } from '../../src/rpc/status.ts';
import { CallTrace } from '../../src/proxy/relay/call-trace.ts';
import type { RelayContext } from '../../src/proxy/relay/context.ts';
import type { RequestSink, ServerCall } from '../../src/proxy/relay/server-call.ts';
import { SidechannelRegistry } from '../../src/proxy/relay/sidechannel-registry.ts';
import { admitWrite } from '../../src/proxy/relay/write-admission.ts';
import { carryOutWrite } from '../../src/proxy/relay/carry-out-write.ts';
import { WriteCall } from '../../src/proxy/relay/write-call.ts';
import type { WriteClass } from '../../src/proxy/relay/write-classes.ts';
import { RepairLoop } from '../../src/proxy/replication/repair-loop.ts';
import { Settler } from '../../src/proxy/replication/settler.ts';
import type { RepositoryRecord } from '../../src/proxy/routing/repository-record.ts';
import type { ReplicationPolicy } from '../../src/proxy/routing/route.ts';
import { StoreUnavailableError, type RepositoryKey } from '../../src/proxy/store/control-store.ts';
import type { MemoryDatabase } from '../../src/proxy/store/memory-database.ts';
import { createMemoryStore, type MemoryStore } from '../../src/proxy/store/memory-store.ts';
import { WriteRegistry } from '../../src/proxy/transactions/write-registry.ts';
import { StorageDirectory, VirtualStorage } from '../../src/proxy/upstream/storage-directory.ts';
import { Membership } from '../../src/proxy/view/membership.ts';
import { RepositoryView } from '../../src/proxy/view/repository-view.ts';
import { headerField } from '../../src/proxy/wire/hpack/header-field.ts';
import { SimulatedLink, type OnCommit } from './simulated-link.ts';
import { SimulatedProcess } from './simulated-process.ts';
import type { SimulatedStorage, WriteRequest } from './simulated-storage.ts';
import type { Timeline } from './timeline.ts';

/** The virtual storage of every simulation. */
export const virtualStorageName = 'default';

export interface SimulatedProxyOptions {
  readonly name: string;
  readonly timeline: Timeline;
  readonly database: MemoryDatabase;
  readonly storages: ReadonlyMap<string, SimulatedStorage>;
  readonly policy: ReplicationPolicy;
  /** How often an answer of the store gets lost, at the moment. */
  lostAnswers(): number;
  readonly onCommit: OnCommit;
}

/** How a client's call ends; what is not OK may have happened. */
export type OnAnswer = (code: number, message: string) => void;

/** A proxy: everything but sockets and messages is the product's. */
export class SimulatedProxy {
  readonly process: SimulatedProcess;
  readonly store: MemoryStore;
  readonly view: RepositoryView;
  readonly membership: Membership;
  readonly virtualStorage: VirtualStorage;
  readonly links: readonly SimulatedLink[];
  readonly #context: RelayContext;
  readonly #repairLoop: RepairLoop;
  #lastTransaction = 0;

  constructor(options: SimulatedProxyOptions) {
    const { name: owner, timeline, storages: simulated, policy } = options;
    const clock = new SimulatedProcess(owner, timeline, timeline.between(-200, 200));
    const { random } = timeline;
    const writes = new WriteRegistry();
    const storageNamed = (name: string) => {
      const storage = simulated.get(name);
      if (storage === undefined) throw new Error(`there is no storage ${name}`);
      return storage;
    };
    this.process = clock;
    this.store = createStore(options, clock);
    this.links = [...simulated.values()].map(
      (storage) => new SimulatedLink(clock, storage, writes, storageNamed, options.onCommit),
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
    const membership = new Membership(common);
    this.view = view;
    this.membership = membership;
    const repair = {
      ...common,
      view,
      membership,
      writes,
    };
    const settler = new Settler(repair);
    const metrics = { repairStarted: () => () => {} };
    this.#repairLoop = new RepairLoop({ ...repair, settler, random, repair, metrics });
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
      const call = this.#callOf(abortAfterMs, onAnswer);
      await carryOutWrite(context, async (routesAgain) => {
        const admission = await admitWrite(key, this.virtualStorage, context);
        if (admission.kind === 'notFound') throw new Error('there is no such repository');
        if (admission.kind === 'unavailable') throw new Error(admission.reason);
        this.#lastTransaction += 1;
        return new WriteCall({
          call,
          virtualStorage: this.virtualStorage,
          context,
          record: admission.record,
          ...admission.route,
          ...writeClass,
          routesAgain,
          transaction: `${this.name}/${this.#lastTransaction}`,
          rewrite: () => Buffer.from(JSON.stringify(request)),
        }).run();
      });
    } catch (error) {
      onAnswer(statusCodes.UNAVAILABLE, errorMessage(error));
    }
  }

  /** What this proxy routes reads by, if it serves any: the replicas that it takes for in sync. */
  recordForReads(key: RepositoryKey): RepositoryRecord | undefined {
    if (!this.process.isRunning || !this.membership.holdsLease) return undefined;
    return this.view.peek(key);
  }

  crash(): void {
    this.process.crash();
    for (const link of this.links) link.cut();
  }

  #callOf(abortAfterMs: number | undefined, onAnswer: OnAnswer): ServerCall {
    const head = {
      path: '/simulation/Write',
      pathField: headerField(':path', '/simulation/Write'),
      authorization: undefined,
      timeoutMs: undefined,
      sidechannelId: undefined,
      primaryOnly: false,
      partitioningHints: [],
      correlationId: undefined,
      clientName: undefined,
      callSite: undefined,
      deadlineType: undefined,
      compressed: false,
      refusal: undefined,
      metadata: [],
    };
    let hasEnded = false;
    const call: Pick<
      ServerCall,
      | 'head'
      | 'trace'
      | 'credit'
      | 'isWhole'
      | 'remainingMs'
      | 'attach'
      | 'rewind'
      | 'ended'
      | 'sendHeaders'
      | 'sendTrailers'
      | 'fail'
    > = {
      head,
      trace: new CallTrace(),
      credit: { consumed() {} },
      isWhole: true,
      remainingMs: undefined,
      get ended() {
        return hasEnded;
      },
      rewind: () => !hasEnded,
      attach: (sink: RequestSink) => {
        if (abortAfterMs === undefined) return;
        this.process.after(abortAfterMs, () => {
          hasEnded = true;
          sink.onAbort({ kind: 'deadlineExceeded' });
        });
      },
      sendHeaders() {},
      sendTrailers: (_, code) => onAnswer(code, ''),
      fail: ({ code, message }) => onAnswer(code, message),
    };
    return call as ServerCall;
  }
}

/** Requests arrive even if the proxy is paused or dies after it has sent them; answers wait for it. */
function createStore(
  { timeline, database, lostAnswers }: SimulatedProxyOptions,
  process: SimulatedProcess,
): MemoryStore {
  let sent: 'request' | 'answer' | 'announcement' = 'request';
  const clock: Clock = {
    monotonicMs: () => timeline.monotonicMs(),
    wallMs: () => timeline.wallMs(),
    after: (delayMs, arrive) => (sent === 'request' ? timeline : process).after(delayMs, arrive),
  };
  const delayMs = (message: typeof sent) => {
    sent = message;
    return timeline.between(0.2, timeline.chance(0.05) ? 100 : 3);
  };
  const store = createMemoryStore({ clock, database, delayMs });
  const compareAndSwap = store.compareAndSwap.bind(store);
  return Object.assign(store, {
    async compareAndSwap(next: RepositoryRecord) {
      const outcome = await compareAndSwap(next);
      if (!timeline.chance(lostAnswers())) return outcome;
      timeline.tell(() => `${process.name} does not get the store's answer: ${outcome.kind}`);
      throw new StoreUnavailableError(new Error('the answer was lost'));
    },
  });
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

const noMetrics: RelayContext['metrics'] = {
  callStarted() {},
  callEnded() {},
  repositoryLookedUp() {},
  readRouted() {},
  readRetried() {},
  unknownMethodCalled() {},
  writeStarted() {},
  writeEnded() {},
  replicaSettled() {},
  writeSettled() {},
  writeRoutedAgain() {},
  underReplicatedWrite() {},
  failedOver() {},
};
