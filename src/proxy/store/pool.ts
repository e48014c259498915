import { Pool, type ClientBase, type ClientConfig, type QueryConfig } from 'pg';
import { withTimeout, type Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Stoppable } from '../../base/scope.ts';
import { CuttableClient } from './cuttable-client.ts';

export interface BoundedPoolOptions {
  /** For the next connection. With a limit for each statement. */
  readonly config: () => ClientConfig;
  readonly connectMs: number;
  readonly size: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Calls that wait for a connection at most; more are refused. */
const maxWaiting = 1000;
const idleLimitMs = 30_000;
const stopLimitMs = 2000;

/**
 * Connections to the primary server, made when needed, at most `size`. One that fails or is late is
 * cut and replaced.
 */
export class BoundedPool implements Stoppable {
  readonly #options: BoundedPoolOptions;
  readonly #pool: Pool;
  readonly #clients = new Set<CuttableClient>();
  readonly #idle = new Set<ClientBase>();
  #config: ClientConfig = {};
  #stopping: Promise<void> | undefined;

  constructor(options: BoundedPoolOptions) {
    this.#options = options;
    this.#pool = new Pool({
      max: options.size,
      idleTimeoutMillis: idleLimitMs,
      connectionTimeoutMillis: options.connectMs,
      Client: this.#clientClass(),
      verify: refuseStandby,
    });
    this.#pool.on('acquire', (client) => this.#idle.delete(client));
    this.#pool.on('release', (error, client) => {
      if (!error) this.#idle.add(client);
    });
    this.#pool.on('remove', (client) => this.#idle.delete(client));
    this.#pool.on('error', (error) => {
      // Not the error itself, from which the client with all its settings hangs.
      options.logger.debug({ reason: error.message }, 'an idle database connection is lost');
    });
  }

  /** @throws Error if no connection is to be had, or if the statement fails or takes too long */
  async query<Row extends object>(query: QueryConfig): Promise<readonly Row[]> {
    if (this.#pool.waitingCount >= maxWaiting) {
      throw new Error('too many calls wait for a database connection');
    }
    // Here and not where the pool connects: it may do so when nobody could be told of an error.
    this.#config = this.#options.config();
    return (await this.#pool.query<Row>(query)).rows;
  }

  /**
   * Cuts the connections that are not in use. For when one is known to be dead: so most likely are
   * the others, and each would cost a call its whole limit.
   */
  cutIdle(): void {
    for (const client of this.#clients) {
      if (this.#idle.has(client)) client.cut();
    }
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    const { clock, logger } = this.#options;
    const drained = withTimeout(clock, stopLimitMs, 'closing connections', this.#pool.end());
    await drained.catch((error: unknown) => {
      logger.warn({ err: error }, 'database connections are cut while in use');
    });
    for (const client of this.#clients) client.cut();
  }

  /** The pool's clients, remembered for as long as they are connected. */
  #clientClass() {
    const clients = this.#clients;
    const currentConfig = () => this.#config;
    return class extends CuttableClient {
      constructor() {
        super(currentConfig());
        clients.add(this);
        void this.closed.then(() => clients.delete(this));
      }
    };
  }
}

/** A standby may answer with what was true a moment ago, and can change nothing. */
function refuseStandby(client: ClientBase, done: (error?: Error) => void): void {
  client.query<{ standby: boolean }>(
    'SELECT pg_is_in_recovery() AS standby',
    (error: Error | null, result) => {
      const isStandby = error === null && result.rows[0]?.standby === true;
      done(isStandby ? new Error('the database server is a standby') : (error ?? undefined));
    },
  );
}
