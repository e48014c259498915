import { statusCodes } from '../../src/rpc/status.ts';
import type { NodeHealth } from '../../src/proxy/health/node-health.ts';
import { WriteWatch } from '../../src/proxy/health/write-watch.ts';
import { silentLogger } from '../../src/base/logger.ts';
import type { Answer } from '../../src/proxy/transactions/voting.ts';
import type { WriteRegistry } from '../../src/proxy/transactions/write-registry.ts';
import type { ControlCalls } from '../../src/proxy/upstream/control-calls.ts';
import type { StorageCalls } from '../../src/proxy/upstream/storage-calls.ts';
import type { Storage } from '../../src/proxy/upstream/storage.ts';
import type { CheckVolume } from '../../src/proxy/upstream/storage-volume.ts';
import { UpstreamError } from '../../src/proxy/upstream/unary-call.ts';
import { statusTrailers } from '../../src/proxy/wire/grpc-status.ts';
import { headerField, type HeaderField } from '../../src/proxy/wire/hpack/header-field.ts';
import type { Http2Stream, StreamEvents } from '../../src/proxy/wire/http2/stream.ts';
import type { Committed, OnCommit } from './committed.ts';
import type { Connection, OpenCall, Stream, VotingCall } from './simulated-connection.ts';
import { longestWayMs, SimulatedNetwork, type Way } from './simulated-network.ts';
import type { SimulatedProcess } from './simulated-process.ts';
import type {
  SimulatedStorage,
  StorageCall,
  StorageRequest,
  WriteStorageCall,
} from './simulated-storage.ts';

const reconnectMs = 200;
/** Two health checks in a row. */
const regainMs = 1000;
const checkMs = 500;
/** As with the product, though much sooner: primaries are to come back within a schedule. */
const steadyAfterMs = 400;
/** What only sends is given up that late. */
const unansweredLimitMs = 10_000;

/**
 * What a proxy has of one storage, with the network in between: it takes the place of
 * {@link Storage}. Messages of one call arrive in order, its votes apart: streams of one connection
 * may overtake each other. When the connection breaks, those under way are lost, and both ends hear of
 * it, though maybe not at the same time.
 */
export class SimulatedLink {
  readonly name: string;
  readonly address: string;
  readonly control: ControlCalls;
  readonly writes: WriteWatch;
  readonly token = { secret: '', authorization: () => unsigned };
  isDraining = false;
  isDecommissioned = false;
  readonly #proxy: SimulatedProcess;
  readonly #storage: SimulatedStorage;
  readonly #registry: WriteRegistry;
  readonly #storageNamed: (name: string) => SimulatedStorage;
  readonly #onCommit: OnCommit;
  readonly #checkVolume: CheckVolume;
  #connection: Connection | undefined;
  #health: NodeHealth = { kind: 'unknown' };
  #healthySinceMs = 0;
  #isCut = false;
  readonly #network: SimulatedNetwork;

  constructor(
    proxy: SimulatedProcess,
    storage: SimulatedStorage,
    writes: WriteRegistry,
    storageNamed: (name: string) => SimulatedStorage,
    onCommit: OnCommit,
    checkVolume: CheckVolume,
  ) {
    this.name = this.address = storage.name;
    this.#proxy = proxy;
    this.#storage = storage;
    this.#registry = writes;
    this.writes = new WriteWatch({ storage: storage.name, clock: proxy, logger: silentLogger });
    this.#storageNamed = storageNamed;
    this.#onCommit = onCommit;
    this.#checkVolume = checkVolume;
    this.#network = new SimulatedNetwork(proxy);
    this.control = this.#createControl();
    this.#connectWhenPossible(5);
  }

  /** Itself, in the place of the class whose promises it keeps. */
  asStorage(): Storage {
    return this as unknown as Storage;
  }

  get health(): NodeHealth {
    return this.#health;
  }

  get isSteady(): boolean {
    const healthyForMs = this.#proxy.timeline.monotonicMs() - this.#healthySinceMs;
    return this.#health.kind === 'healthy' && healthyForMs >= steadyAfterMs;
  }

  get outstanding(): number {
    return this.#connection?.calls.size ?? 0;
  }

  /** The storage takes any number of calls. */
  get calls(): Pick<StorageCalls, 'hasRoom' | 'request' | 'takeRoom' | 'waiting'> {
    const connection = this.#admitted;
    return {
      hasRoom: true,
      waiting: 0,
      takeRoom: async () => undefined,
      request: (fields, _, events) =>
        connection === undefined ? undefined : this.#request(connection, fields, events),
    };
  }

  /** The network between the two fails, until {@link SimulatedLink.mend}. */
  cut(): void {
    this.#isCut = true;
    this.drop('the network is cut');
  }

  mend(): void {
    this.#isCut = false;
  }

  /**
   * Nothing arrives for a while. If that is long the proxy gives the connection up, and the storage
   * hears of it only when the network works again.
   */
  stall(forMs: number): void {
    this.#fallSilent(forMs, ['toProxy', 'toStorage'], this.#proxy.timeline.between(1500, 2500));
  }

  /** Its proxy is to stand still. What it cannot take back if it is cut off (docs/limits.md) is not played: it is lost. */
  forgetUnheard(): void {
    if (this.#network.silentMs > 0) this.drop('its proxy stands still');
  }

  /** Nothing arrives at the storage for a while, and what it sends does: the proxy takes longer to give it up. */
  mute(forMs: number): void {
    this.#fallSilent(forMs, ['toStorage'], unansweredLimitMs);
  }

  #fallSilent(forMs: number, ways: readonly Way[], noticedAfterMs: number): void {
    const connection = this.#connection;
    this.#network.fallSilent(forMs, ways);
    this.#proxy.timeline.after(noticedAfterMs, () => {
      const isSilent = this.#network.silentMs > 0 && this.#connection === connection;
      if (isSilent) this.drop('it is silent');
    });
  }

  /** As the product's: what does not arrive within the limit is lost with the connection. */
  confirmArrival(limitMs: number): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    const drop = () => {
      if (this.#connection === connection) this.drop('what was sent may arrive too late');
    };
    if (limitMs <= 0) return drop();
    const timer = this.#proxy.after(limitMs, drop);
    const ping = { ...connection.last };
    this.#network.send(connection, ping, 'toStorage', () =>
      this.#network.send(connection, ping, 'toProxy', () => timer.cancel()),
    );
  }

  /** The connection breaks. A new one is made as soon as that is possible. */
  drop(reason: string): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    const { timeline } = this.#proxy;
    const { silentMs } = this.#network;
    this.#connection = undefined;
    connection.isOpen = false;
    // What is about to arrive may do so all the same.
    const lingerMs = silentMs === 0 && timeline.chance(0.5) ? longestWayMs : 0;
    connection.openToStorageUntilMs = timeline.monotonicMs() + lingerMs;
    timeline.tell(() => `${this.#proxy.name} loses ${this.name}: ${reason}`);
    this.#proxy.receive(() => {
      this.#health = { kind: 'unhealthy', reason, passes: 0 };
      for (const call of connection.calls) call.breakAtProxy(new Error(reason));
    });
    timeline.after(Math.max(silentMs, lingerMs), () =>
      connection.storage.receive(() => {
        for (const call of connection.callsAtStorage) call.breakAtStorage();
      }),
    );
    this.#proxy.after(reconnectMs, () => this.#connectWhenPossible(regainMs));
  }

  #connectWhenPossible(healthyAfterMs: number): void {
    const isSilent = this.#network.silentMs > 0;
    const isReachable = !this.#isCut && !isSilent && this.#storage.process.isRunning;
    if (isReachable) this.#connect(healthyAfterMs);
    else this.#proxy.after(reconnectMs, () => this.#connectWhenPossible(regainMs));
  }

  #connect(healthyAfterMs: number): void {
    const connection: Connection = {
      isOpen: true,
      isAdmitted: false,
      openToStorageUntilMs: 0,
      last: { toProxy: 0, toStorage: 0 },
      storage: this.#storage.process,
      calls: new Set(),
      callsAtStorage: new Set(),
    };
    this.#connection = connection;
    const volume = this.#storage.volume;
    this.#proxy.after(healthyAfterMs, () => void this.#admit(connection, volume));
  }

  /** Like a health check: the volume is compared before calls are sent there, and until that is certain. */
  async #admit(connection: Connection, volume: string): Promise<void> {
    if (this.#connection !== connection) return;
    const verdict = await this.#checkVolume(volume);
    if (this.#connection !== connection) return;
    if (connection.isAdmitted && verdict.kind === 'wrong') return this.drop(verdict.reason);
    connection.isAdmitted = verdict.kind === 'right';
    if (this.#health.kind !== 'healthy') this.#healthySinceMs = this.#proxy.timeline.monotonicMs();
    this.#health =
      verdict.kind === 'right'
        ? { kind: 'healthy' }
        : { kind: 'unhealthy', reason: verdict.reason, passes: 0 };
    if (verdict.kind === 'right' && verdict.isCertain) return;
    this.#proxy.after(checkMs, () => void this.#admit(connection, volume));
  }

  /** The connection, if calls may go there. */
  get #admitted(): Connection | undefined {
    return this.#connection?.isAdmitted === true ? this.#connection : undefined;
  }

  #request(
    connection: Connection,
    fields: readonly HeaderField[],
    events: StreamEvents,
  ): Http2Stream {
    const header = fields.find((field) => field.name === 'gitaly-reference-transaction');
    const text = Buffer.from(header?.value ?? '', 'base64').toString();
    const { id } = JSON.parse(text) as { readonly id: number };
    const stream: Stream = { toProxy: 0, toStorage: 0 };
    const what: { readonly kind: 'write'; transaction: string } = {
      kind: 'write',
      transaction: '',
    };
    const voting = this.#createVoting(connection, what, BigInt(id));
    const call: OpenCall = {
      breakAtProxy(error) {
        connection.calls.delete(call);
        events.onAbort({ kind: 'connectionLost', error });
      },
      breakAtStorage: () => voting.breakOff(),
    };
    const storageCall: WriteStorageCall = Object.assign(voting, {
      finish: (code: number) => {
        connection.callsAtStorage.delete(call);
        this.#network.send(connection, stream, 'toProxy', () => {
          if (connection.calls.delete(call)) {
            events.onHeaders(statusTrailers({ code, message: '' }), true);
          }
        });
      },
    });
    connection.calls.add(call);
    connection.callsAtStorage.add(call);
    const http2: Pick<Http2Stream, 'sendData' | 'reset' | 'localEnded' | 'closed'> = {
      localEnded: true,
      closed: false,
      sendData: (bytes) => {
        const request = JSON.parse(bytes.toString()) as StorageRequest;
        what.transaction = request.transaction;
        this.#network.send(connection, stream, 'toStorage', () => {
          void this.#storage.carryOut(request, storageCall);
        });
      },
      reset: () => {
        connection.calls.delete(call);
        this.#network.send(connection, stream, 'toStorage', () => call.breakAtStorage());
      },
    };
    return http2 as Http2Stream;
  }

  /** A storage's side of a transaction: its votes go to the proxy, and the answers come back. */
  #createVoting(connection: Connection, what: Committed, id: bigint): VotingCall {
    const waiting = new Set<(answer: 'broken') => void>();
    const stream: Stream = { toProxy: 0, toStorage: 0 };
    let isBroken = false;
    return {
      get isBroken() {
        return isBroken;
      },
      breakOff() {
        isBroken = true;
        for (const answer of waiting) answer('broken');
      },
      vote: (cast) =>
        new Promise((resolve) => {
          if (isBroken) return resolve('broken');
          waiting.add(resolve);
          const answer = (told: Answer) =>
            this.#network.send(connection, stream, 'toStorage', () => {
              if (waiting.delete(resolve)) resolve(told);
            });
          this.#network.send(connection, stream, 'toProxy', () =>
            this.#registry.vote(id, this.name, cast, (result) => {
              const told = result.kind === 'answered' ? result.answer : 'abort';
              if (told === 'commit' && cast.phase === 'prepared') this.#onCommit(what, this.name);
              answer(told);
            }),
          );
          return undefined;
        }),
    };
  }

  #createControl(): ControlCalls {
    type Needed = 'exists' | 'checksum' | 'fingerprint' | 'replicate' | 'remove';
    type OfPools = 'objectPoolOf' | 'disconnectFromObjectPool';
    const checksum = (path: string, limitMs = 10_000) =>
      this.#ask('CalculateChecksum', limitMs, () => this.#storage.checksum(path));
    const control: Pick<ControlCalls, Needed | OfPools> = {
      exists: (path, limitMs) =>
        this.#ask('RepositoryExists', limitMs, () => this.#storage.exists(path)),
      checksum,
      fingerprint: checksum,
      objectPoolOf: (_, limitMs?: number) =>
        this.#ask('GetObjectPool', limitMs ?? 10_000, async () => undefined),
      disconnectFromObjectPool: (_, limitMs) =>
        this.#ask('DisconnectGitAlternates', limitMs, async () => {}),
      replicate: (path, source, limitMs, transaction) =>
        this.#ask(
          'ReplicateRepository',
          limitMs,
          (call) => this.#storage.replicate(path, this.#storageNamed(source.storage), call),
          transaction,
        ),
      remove: (path, transaction) =>
        this.#ask(
          'RemoveRepository',
          10_000,
          (call) => this.#storage.remove(path, transaction === undefined ? undefined : call),
          transaction,
        ),
    };
    return control as ControlCalls;
  }

  /** Reads all references of a repository. @throws UpstreamError */
  read(path: string): Promise<ReadonlyMap<string, string> | undefined> {
    return this.#ask('FindRefs', 10_000, () => this.#storage.read(path));
  }

  /** A call that the proxy makes on its own account. */
  #ask<T>(
    method: string,
    limitMs: number,
    work: (call: StorageCall) => Promise<T>,
    transaction = 0n,
  ): Promise<T> {
    const stream: Stream = { toProxy: 0, toStorage: 0 };
    return new Promise((resolve, reject) => {
      const fail = (message: string) => {
        timer.cancel();
        reject(new UpstreamError(method, { code: statusCodes.UNAVAILABLE, message }));
      };
      const timer = this.#proxy.after(limitMs, () => {
        fail('it took too long');
        if (connection !== undefined) {
          this.#network.send(connection, stream, 'toStorage', call.breakAtStorage);
        }
      });
      const connection = this.#admitted;
      if (connection === undefined) return fail('there is no connection');
      const voting = this.#createVoting(connection, { kind: 'copy' }, transaction);
      const call: OpenCall = {
        breakAtProxy: (error) => fail(error.message),
        breakAtStorage: () => voting.breakOff(),
      };
      connection.calls.add(call);
      connection.callsAtStorage.add(call);
      const answer = (settle: () => void) => {
        connection.callsAtStorage.delete(call);
        this.#network.send(connection, stream, 'toProxy', () => {
          connection.calls.delete(call);
          timer.cancel();
          settle();
        });
      };
      this.#network.send(connection, stream, 'toStorage', () => {
        work(voting).then(
          (value) => answer(() => resolve(value)),
          (error: unknown) => answer(() => fail(String(error))),
        );
      });
      return undefined;
    });
  }
}

const unsigned = headerField('authorization', '');
