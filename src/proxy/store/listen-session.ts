import type { ClientConfig, Notification, QueryConfig, QueryResult } from 'pg';
import { TimeoutError, withTimeout, type Clock, type Timer } from '../../base/clock.ts';
import { deferred } from '../../base/deferred.ts';
import type { Stoppable } from '../../base/scope.ts';
import { CuttableClient } from './cuttable-client.ts';

export interface ListenSessionOptions {
  readonly config: ClientConfig;
  readonly clock: Clock;
  /** For each statement, probes included. */
  readonly callMs: number;
  readonly probeIntervalMs: number;
  readonly channels: readonly string[];
  /** Called in the order of commits. `isOwn`: sent over this very connection. */
  readonly onNotification: (channel: string, payload: string, isOwn: boolean) => void;
  /** Gives up connecting. */
  readonly signal: AbortSignal;
}

/** One connection on which LISTEN is in force. A silent one is noticed by probing it. */
export interface ListenSession extends Stoppable {
  /** Resolves, with the reason, once the connection is lost or stopped. */
  readonly lost: Promise<Error>;
  /**
   * Runs one statement after the other. Notifications of what was committed before it began are
   * delivered before it resolves: PostgreSQL sends what is pending at the end of each statement.
   */
  query(query: QueryConfig): Promise<void>;
}

/** Statements that wait at most for their turn; more are refused. */
const maxWaiting = 1000;

/**
 * Connects and listens.
 *
 * @throws Error if that fails or takes longer than its limits
 */
export async function openListenSession(options: ListenSessionOptions): Promise<ListenSession> {
  const session = new PostgresListenSession(options);
  const abort = () => session.lose(new Error('stopped'));
  options.signal.addEventListener('abort', abort, { once: true });
  try {
    options.signal.throwIfAborted();
    await session.start();
    return session;
  } catch (error) {
    session.lose(error instanceof Error ? error : new Error(String(error)));
    throw error;
  } finally {
    options.signal.removeEventListener('abort', abort);
  }
}

class PostgresListenSession implements ListenSession {
  readonly #options: ListenSessionOptions;
  readonly #client: CuttableClient;
  readonly #lost = deferred<Error>();
  #backendId: number | undefined;
  #lastQuery: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #probe: Timer | undefined;
  #isLost = false;

  constructor(options: ListenSessionOptions) {
    this.#options = options;
    this.#client = new CuttableClient(options.config);
    this.#client.on('error', (error) => this.lose(error));
    this.#client.on('end', () => this.lose(new Error('the server has closed the connection')));
    this.#client.on('notification', (notification) => this.#onNotification(notification));
  }

  get lost(): Promise<Error> {
    return this.#lost.promise;
  }

  async start(): Promise<void> {
    await this.#client.connect();
    const { rows } = await this.#run('SELECT pg_backend_pid() AS pid');
    this.#backendId = (rows[0] as { pid: number }).pid;
    await this.#run(this.#options.channels.map((channel) => `LISTEN ${channel}`).join('; '));
    this.#scheduleProbe();
  }

  async query(query: QueryConfig): Promise<void> {
    if (this.#isLost) throw new Error('the listening connection is lost');
    if (this.#waiting >= maxWaiting) throw new Error('too many statements wait for their turn');
    this.#waiting += 1;
    const turn = this.#lastQuery.then(() => this.#run(query));
    this.#lastQuery = turn.catch(() => {});
    await turn.finally(() => (this.#waiting -= 1));
  }

  /** Cuts the connection at once; whatever is under way on it is rejected. */
  lose(error: Error): void {
    if (this.#isLost) return;
    this.#isLost = true;
    this.#probe?.cancel();
    this.#client.cut();
    this.#lost.resolve(error);
  }

  async stop(): Promise<void> {
    this.lose(new Error('stopped'));
    await this.#client.closed;
  }

  /** A statement that is late costs the connection, since the next ones wait behind it. */
  async #run(query: QueryConfig | string): Promise<QueryResult<object>> {
    const { clock, callMs } = this.#options;
    try {
      return await withTimeout(clock, callMs, 'a statement', this.#client.query(query));
    } catch (error) {
      if (error instanceof TimeoutError) this.lose(error);
      throw error;
    }
  }

  #scheduleProbe(): void {
    this.#probe = this.#options.clock.after(this.#options.probeIntervalMs, () => {
      this.query({ text: 'SELECT 1' }).then(
        () => this.#scheduleProbe(),
        (error: Error) => this.lose(error),
      );
    });
  }

  #onNotification({ channel, payload = '', processId }: Notification): void {
    if (this.#isLost) return;
    this.#options.onNotification(channel, payload, processId === this.#backendId);
  }
}
