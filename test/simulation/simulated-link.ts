import { statusCodes } from '../../src/rpc/status.ts';
import type { NodeHealth } from '../../src/proxy/health/node-health.ts';
import type { Answer } from '../../src/proxy/transactions/voting.ts';
import type { WriteRegistry } from '../../src/proxy/transactions/write-registry.ts';
import type { ControlCalls } from '../../src/proxy/upstream/control-calls.ts';
import type { StorageCalls } from '../../src/proxy/upstream/storage-calls.ts';
import type { Storage } from '../../src/proxy/upstream/storage.ts';
import { UpstreamError } from '../../src/proxy/upstream/unary-call.ts';
import { statusTrailers } from '../../src/proxy/wire/grpc-status.ts';
import { headerField, type HeaderField } from '../../src/proxy/wire/hpack/header-field.ts';
import type { Http2Stream, StreamEvents } from '../../src/proxy/wire/http2/stream.ts';
import type { SimulatedProcess } from './simulated-process.ts';
import type {
  SimulatedStorage,
  StorageCall,
  WriteRequest,
  WriteStorageCall,
} from './simulated-storage.ts';

const reconnectMs = 200;
/** Two health checks in a row. */
const regainMs = 1000;

/** Called whenever a proxy tells a storage to commit what it has prepared. */
export type OnCommit = (what: 'write' | 'copy', storage: string) => void;

/**
 * What a proxy has of one storage, with the network in between: it takes the place of
 * {@link Storage}. Messages of one connection arrive in order. When the connection breaks, those
 * under way are lost, and both ends hear of it.
 */
export class SimulatedLink {
  readonly name: string;
  readonly address: string;
  readonly control: ControlCalls;
  readonly token = { secret: '', authorization: () => unsigned };
  readonly #proxy: SimulatedProcess;
  readonly #storage: SimulatedStorage;
  readonly #writes: WriteRegistry;
  readonly #storageNamed: (name: string) => SimulatedStorage;
  readonly #onCommit: OnCommit;
  #connection: Connection | undefined;
  #health: NodeHealth = { kind: 'unknown' };
  #isCut = false;

  constructor(
    proxy: SimulatedProcess,
    storage: SimulatedStorage,
    writes: WriteRegistry,
    storageNamed: (name: string) => SimulatedStorage,
    onCommit: OnCommit,
  ) {
    this.name = this.address = storage.name;
    this.#proxy = proxy;
    this.#storage = storage;
    this.#writes = writes;
    this.#storageNamed = storageNamed;
    this.#onCommit = onCommit;
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

  get outstanding(): number {
    return this.#connection?.calls.size ?? 0;
  }

  /** The storage takes any number of calls. */
  get calls(): Pick<StorageCalls, 'hasRoom' | 'request' | 'takeRoom'> {
    const connection = this.#connection;
    return {
      hasRoom: true,
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

  /** The connection breaks. A new one is made as soon as that is possible. */
  drop(reason: string): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    this.#connection = undefined;
    connection.isOpen = false;
    this.#proxy.timeline.tell(() => `${this.#proxy.name} loses ${this.name}: ${reason}`);
    this.#proxy.receive(() => {
      this.#health = { kind: 'unhealthy', reason, passes: 0 };
      for (const call of connection.calls) call.breakAtProxy(new Error(reason));
    });
    connection.storage.receive(() => {
      for (const call of connection.callsAtStorage) call.breakAtStorage();
    });
    this.#proxy.after(reconnectMs, () => this.#connectWhenPossible(regainMs));
  }

  #connectWhenPossible(healthyAfterMs: number): void {
    if (!this.#isCut && this.#storage.process.isRunning) this.#connect(healthyAfterMs);
    else this.#proxy.after(reconnectMs, () => this.#connectWhenPossible(regainMs));
  }

  #connect(healthyAfterMs: number): void {
    const connection: Connection = {
      isOpen: true,
      storage: this.#storage.process,
      calls: new Set(),
      callsAtStorage: new Set(),
      lastArrivalMs: { toProxy: 0, toStorage: 0 },
    };
    this.#connection = connection;
    this.#proxy.after(healthyAfterMs, () => {
      if (this.#connection === connection) this.#health = { kind: 'healthy' };
    });
  }

  #request(
    connection: Connection,
    fields: readonly HeaderField[],
    events: StreamEvents,
  ): Http2Stream {
    const header = fields.find((field) => field.name === 'gitaly-reference-transaction');
    const text = Buffer.from(header?.value ?? '', 'base64').toString();
    const { id } = JSON.parse(text) as { readonly id: number };
    const voting = this.#createVoting(connection, 'write', BigInt(id));
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
        this.#send(connection, 'toProxy', () => {
          if (connection.calls.delete(call)) {
            events.onHeaders(statusTrailers({ code, message: '' }), true);
          }
        });
      },
    });
    connection.calls.add(call);
    connection.callsAtStorage.add(call);
    const stream: Pick<Http2Stream, 'sendData' | 'reset' | 'localEnded' | 'closed'> = {
      localEnded: true,
      closed: false,
      sendData: (bytes) => {
        const request = JSON.parse(bytes.toString()) as WriteRequest;
        this.#send(connection, 'toStorage', () => {
          void this.#storage.carryOut(request, storageCall);
        });
      },
      reset: () => {
        connection.calls.delete(call);
        this.#send(connection, 'toStorage', () => call.breakAtStorage());
      },
    };
    return stream as Http2Stream;
  }

  /** A storage's side of a transaction: its votes go to the proxy, and the answers come back. */
  #createVoting(connection: Connection, what: 'write' | 'copy', id: bigint): VotingCall {
    const waiting = new Set<(answer: 'broken') => void>();
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
            this.#send(connection, 'toStorage', () => {
              if (waiting.delete(resolve)) resolve(told);
            });
          this.#send(connection, 'toProxy', () =>
            this.#writes.vote(id, this.name, cast, (result) => {
              const told = result.kind === 'answered' ? result.answer : 'abort';
              if (told === 'commit' && cast.phase === 'prepared') this.#onCommit(what, this.name);
              answer(told);
            }),
          );
          return undefined;
        }),
    };
  }

  #send(connection: Connection, way: 'toProxy' | 'toStorage', arrive: () => void): void {
    const { timeline } = this.#proxy;
    const nowMs = timeline.monotonicMs();
    const soonMs = nowMs + timeline.between(0.1, timeline.chance(0.05) ? 60 : 4);
    const arrivalMs = Math.max(soonMs, connection.lastArrivalMs[way]);
    connection.lastArrivalMs[way] = arrivalMs;
    const receiver = way === 'toProxy' ? this.#proxy : connection.storage;
    timeline.after(arrivalMs - nowMs, () => {
      if (connection.isOpen) receiver.receive(arrive);
    });
  }

  #createControl(): ControlCalls {
    type Needed = 'checksum' | 'fingerprint' | 'replicate' | 'remove';
    type OfPools = 'objectPoolOf' | 'disconnectFromObjectPool';
    const checksum = (_: string, limitMs = 10_000) =>
      this.#ask('CalculateChecksum', limitMs, () => this.#storage.checksum());
    const control: Pick<ControlCalls, Needed | OfPools> = {
      checksum,
      fingerprint: checksum,
      objectPoolOf: (_, limitMs?: number) =>
        this.#ask('GetObjectPool', limitMs ?? 10_000, async () => undefined),
      disconnectFromObjectPool: (_, limitMs) =>
        this.#ask('DisconnectGitAlternates', limitMs, async () => {}),
      replicate: (_, source, limitMs, transaction) =>
        this.#ask(
          'ReplicateRepository',
          limitMs,
          (call) => this.#storage.replicate(this.#storageNamed(source.storage), call),
          transaction,
        ),
      remove: () => Promise.reject(new Error('no repository is removed here')),
    };
    return control as ControlCalls;
  }

  /** A call that the proxy makes on its own account. */
  #ask<T>(
    method: string,
    limitMs: number,
    work: (call: StorageCall) => Promise<T>,
    transaction = 0n,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      const fail = (message: string) => {
        timer.cancel();
        reject(new UpstreamError(method, { code: statusCodes.UNAVAILABLE, message }));
      };
      const timer = this.#proxy.after(limitMs, () => {
        fail('it took too long');
        if (connection !== undefined) this.#send(connection, 'toStorage', call.breakAtStorage);
      });
      const connection = this.#connection;
      if (connection === undefined) return fail('there is no connection');
      const voting = this.#createVoting(connection, 'copy', transaction);
      const call: OpenCall = {
        breakAtProxy: (error) => fail(error.message),
        breakAtStorage: () => voting.breakOff(),
      };
      connection.calls.add(call);
      connection.callsAtStorage.add(call);
      const answer = (settle: () => void) => {
        connection.callsAtStorage.delete(call);
        this.#send(connection, 'toProxy', () => {
          connection.calls.delete(call);
          timer.cancel();
          settle();
        });
      };
      this.#send(connection, 'toStorage', () => {
        work(voting).then(
          (value) => answer(() => resolve(value)),
          (error: unknown) => answer(() => fail(String(error))),
        );
      });
      return undefined;
    });
  }
}

interface Connection {
  isOpen: boolean;
  /** The storage's process at the time: after a crash it is another one. */
  readonly storage: SimulatedProcess;
  /** Those that the proxy waits for. */
  readonly calls: Set<OpenCall>;
  /** Those that the storage may be carrying out. */
  readonly callsAtStorage: Set<OpenCall>;
  readonly lastArrivalMs: { toProxy: number; toStorage: number };
}

interface OpenCall {
  breakAtProxy(error: Error): void;
  breakAtStorage(): void;
}

interface VotingCall extends StorageCall {
  /** The caller has gone. */
  breakOff(): void;
}

const unsigned = headerField('authorization', '');
