import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Random } from '../../base/random.ts';
import type { Stoppable } from '../../base/scope.ts';
import { HealthMonitor } from '../health/monitor.ts';
import type { NodeHealth } from '../health/node-health.ts';
import { WriteWatch } from '../health/write-watch.ts';
import type { ConfiguredWeight, DiskSpace } from '../routing/placement-weight.ts';
import type { SessionEvents } from '../wire/http2/session.ts';
import type { SidechannelStream } from '../wire/backchannel.ts';
import type { Transport } from '../wire/transport.ts';
import { ControlCalls } from './control-calls.ts';
import { FurtherConnections } from './further-connections.ts';
import { StorageCalls } from './storage-calls.ts';
import { StorageConnection } from './storage-connection.ts';
import { StorageToken } from './storage-token.ts';
import { StorageVolume, WrongVolumeError, type CheckVolume } from './storage-volume.ts';

export interface StorageOptions {
  readonly name: string;
  readonly address: string;
  /** See {@link NodeStatus.isDecommissioned}. Default false. */
  readonly isDecommissioned?: boolean;
  /** `onVerified` is told when the storage's certificate ends, if it has one: see {@link ClientTls}. */
  connect(
    address: string,
    signal: AbortSignal,
    onVerified: (notAfterMs: number) => void,
  ): Promise<Transport>;
  /** See {@link StorageToken}. */
  tokens(): readonly string[];
  readonly backchannel: Pick<SessionEvents, 'onRequest'>;
  onSidechannel(id: bigint, stream: SidechannelStream): void;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Primaries come back to a storage that has been healthy for so long: one that flaps does not make them flap. */
const steadyAfterMs = 30_000;

/** One Gitaly storage: its connections, its health, and the calls that go there. */
export class Storage implements Stoppable {
  readonly name: string;
  readonly address: string;
  readonly control: ControlCalls;
  readonly token: StorageToken;
  readonly calls: StorageCalls;
  readonly writes: WriteWatch;
  readonly isDecommissioned: boolean;
  /** Whether somebody has asked for its drain. */
  isDraining = false;
  /** See {@link NodeStatus.zone}. */
  zone: string | undefined;
  /** What people have set. */
  configuredWeight: ConfiguredWeight = 'auto';
  /** As it was measured last; undefined if that was too long ago. */
  disk: DiskSpace | undefined;
  readonly #connection: StorageConnection;
  readonly #further: FurtherConnections;
  readonly #monitor: HealthMonitor;
  #volume: StorageVolume | undefined;
  /** Whether calls go out on the connection. */
  #isAdmitted = false;
  #certificateNotAfterMs: number | undefined;

  constructor(options: StorageOptions) {
    const { name, address, isDecommissioned = false, clock, logger, random, tokens } = options;
    this.name = name;
    this.address = address;
    this.isDecommissioned = isDecommissioned;
    this.writes = new WriteWatch({ storage: name, clock, logger });
    this.token = new StorageToken({ storage: name, tokens, clock, logger });
    this.calls = new StorageCalls({
      storage: name,
      connectFurther: () => this.#further.connect(),
      clock,
    });
    const connection = {
      storage: name,
      connect: (signal: AbortSignal) =>
        options.connect(address, signal, (notAfterMs) => {
          this.#certificateNotAfterMs = notAfterMs;
        }),
      backchannel: options.backchannel,
      onSidechannel: options.onSidechannel,
      calls: this.calls,
      clock,
    };
    this.#connection = new StorageConnection({
      ...connection,
      onConnected: () => this.#monitor.connected(),
      onDraining: () => this.#onLost('the storage is stopping'),
      onLost: (reason) => this.#onLost(reason),
      random,
    });
    this.#further = new FurtherConnections({ ...connection, logger });
    this.control = new ControlCalls({
      storage: name,
      calls: this.calls,
      authorization: () => this.token.authorization(),
      clock,
    });
    this.#monitor = new HealthMonitor({
      storage: name,
      check: (limitMs) => this.#isServing(limitMs),
      receivedBytes: () => this.#connection.receivedBytes,
      // The calls that hang there end now, not when their own time is up.
      onHung: (reason) => this.#drop(`the storage hangs: ${reason}`),
      clock,
      logger,
    });
  }

  get health(): NodeHealth {
    return this.#monitor.health;
  }

  /** Whether it has been healthy for 30 s. */
  get isSteady(): boolean {
    return this.#monitor.healthyForMs >= steadyAfterMs;
  }

  /** When the certificate that it last showed ends, in milliseconds since 1970. */
  get certificateNotAfterMs(): number | undefined {
    return this.#certificateNotAfterMs;
  }

  /** Calls of this proxy that run there, or wait for room. */
  get outstanding(): number {
    return this.#connection.outstanding + this.#further.outstanding + this.calls.waiting;
  }

  /** Whether calls go out on its first connection at the end of this turn of the event loop. */
  get isWriting(): boolean {
    return this.#connection.session?.isWriting ?? false;
  }

  /**
   * Connects, and goes on doing so.
   *
   * @param checkVolume if given, no call goes out on a connection before it has passed there
   */
  start(checkVolume?: CheckVolume): void {
    if (checkVolume !== undefined) {
      this.#volume = new StorageVolume(checkVolume);
      this.calls.close();
    }
    this.#connection.start();
    this.#monitor.start();
  }

  /**
   * Sees to it that nothing which was sent there arrives later than `limitMs` from now. Connections on which that is
   * not certain are dropped.
   */
  confirmArrival(limitMs: number): void {
    this.#connection.confirmArrival(limitMs);
    this.#further.confirmArrival(limitMs);
  }

  async #isServing(limitMs: number): Promise<boolean> {
    const [isServing] = await Promise.all([
      this.control.isServing(limitMs),
      this.#admitConnection(limitMs),
    ]);
    return isServing;
  }

  /**
   * 1. The health service asks for no token, so a call is needed that does.
   * 2. The volume is compared. Only then calls go out on the connection.
   */
  async #admitConnection(limitMs: number): Promise<void> {
    const { session } = this.#connection;
    if (session === undefined) return;
    await this.token.settle(session, (signed) => this.control.tryToken(signed, limitMs));
    try {
      await this.#volume?.settle(session, () => this.control.filesystemId(limitMs));
    } catch (error) {
      // It was taken for right without the store: what runs there must not count.
      if (error instanceof WrongVolumeError && this.#isAdmitted) this.#drop(error.message);
      throw error;
    }
    if (this.#connection.session !== session) return;
    this.#isAdmitted = true;
    this.calls.open();
  }

  #onLost(reason: string): void {
    this.#isAdmitted = false;
    if (this.#volume !== undefined) this.calls.close();
    this.#monitor.connectionLost(reason);
  }

  #drop(reason: string): void {
    this.#connection.drop(reason);
    this.#further.drop(reason);
  }

  async stop(): Promise<void> {
    await this.#monitor.stop();
    await this.#further.stop();
    await this.#connection.stop();
  }
}
