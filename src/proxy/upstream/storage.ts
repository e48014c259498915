import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Random } from '../../base/random.ts';
import type { Stoppable } from '../../base/scope.ts';
import { HealthMonitor } from '../health/monitor.ts';
import type { NodeHealth } from '../health/node-health.ts';
import type { HeaderField } from '../wire/hpack/header-field.ts';
import type { Http2Session, SessionEvents } from '../wire/http2/session.ts';
import type { SidechannelStream } from '../wire/backchannel.ts';
import type { Transport } from '../wire/transport.ts';
import { ControlCalls } from './control-calls.ts';
import { StorageConnection } from './storage-connection.ts';

export interface StorageOptions {
  readonly name: string;
  readonly address: string;
  connect(address: string, signal: AbortSignal): Promise<Transport>;
  authorization(): HeaderField;
  readonly backchannel: Pick<SessionEvents, 'onRequest'>;
  onSidechannel(id: bigint, stream: SidechannelStream): void;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** One Gitaly storage: its connection, its health, and the calls that the proxy makes itself. */
export class Storage implements Stoppable {
  readonly name: string;
  readonly address: string;
  readonly control: ControlCalls;
  readonly #connection: StorageConnection;
  readonly #monitor: HealthMonitor;

  constructor(options: StorageOptions) {
    const { name, address, clock, logger, random, authorization } = options;
    this.name = name;
    this.address = address;
    this.#connection = new StorageConnection({
      storage: name,
      connect: (signal) => options.connect(address, signal),
      backchannel: options.backchannel,
      onSidechannel: options.onSidechannel,
      onConnected: () => this.#monitor.connected(),
      onDraining: () => this.#monitor.connectionLost('the storage is stopping'),
      onLost: (reason) => this.#monitor.connectionLost(reason),
      clock,
      random,
      logger,
    });
    this.control = new ControlCalls({
      storage: name,
      session: () => this.#connection.session,
      authorization,
      clock,
    });
    this.#monitor = new HealthMonitor({
      storage: name,
      check: (limitMs) => this.control.isServing(limitMs),
      receivedBytes: () => this.#connection.receivedBytes,
      // The calls that hang there end now, not when their own time is up.
      onHung: (reason) => this.#connection.drop(`the storage hangs: ${reason}`),
      clock,
      logger,
    });
  }

  get health(): NodeHealth {
    return this.#monitor.health;
  }

  /** Calls of this proxy that run there. */
  get outstanding(): number {
    return this.#connection.outstanding;
  }

  get session(): Http2Session | undefined {
    return this.#connection.session;
  }

  start(): void {
    this.#connection.start();
    this.#monitor.start();
  }

  async stop(): Promise<void> {
    await this.#monitor.stop();
    await this.#connection.stop();
  }
}
