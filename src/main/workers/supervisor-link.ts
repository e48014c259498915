import type { Socket } from 'node:net';
import { errorMessage } from '../../base/errors.ts';
import type { Stoppable } from '../../base/scope.ts';
import type { AcceptedConnections } from '../../proxy/wire/accepted-connections.ts';
import type { ProxyReports } from '../proxy-reports.ts';
import type { SupervisorSide } from '../proxy-server-options.ts';
import type { StopOrders } from '../stop-orders.ts';
import type { Answers, FromWorker, MetricReport, Question, ToWorker } from './messages.ts';

/**
 * A worker's end of the channel to its supervisor. A worker whose supervisor is gone stops at once:
 * nobody would send it clients, ask how it is, or restart it.
 */
export class SupervisorLink implements SupervisorSide, StopOrders {
  readonly #channel: NodeJS.Process;
  readonly #stop = new AbortController();
  readonly #hurry = new AbortController();
  /** By the index of the address. */
  readonly #takers = new Map<number, (socket: Socket) => void>();
  readonly #noMore = new AbortController();
  #isLeaving = false;
  #reports: ProxyReports | undefined;

  /** @param channel this process, which was forked */
  constructor(channel: NodeJS.Process) {
    this.#channel = channel;
    channel.on('message', (message, handle) => this.#onMessage(message as ToWorker, handle));
    channel.on('disconnect', () => this.#onGone());
    // While this process began, nobody listened.
    if (!channel.connected) this.#onGone();
    // A terminal sends its signals to all processes. The supervisor says what follows from that.
    channel.on('SIGINT', () => {}).on('SIGTERM', () => {});
  }

  get stop(): AbortSignal {
    return this.#stop.signal;
  }

  get hurry(): AbortSignal {
    return this.#hurry.signal;
  }

  /** From now on clients may come. */
  serves(): void {
    this.#tell({ kind: 'serves' });
  }

  report(reports: ProxyReports): void {
    this.#reports = reports;
  }

  acceptedAt(index: number): AcceptedConnections {
    return {
      start: (take): Stoppable => {
        this.#takers.set(index, take);
        return { stop: () => this.#leave() };
      },
      onClosed: () => this.#tell({ kind: 'connectionClosed' }),
    };
  }

  /** Resolves when no more connections come, to whichever address. */
  async #leave(): Promise<void> {
    if (!this.#isLeaving) this.#tell({ kind: 'leaves' });
    this.#isLeaving = true;
    const { signal } = this.#noMore;
    if (signal.aborted) return;
    await new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  #onGone(): void {
    this.#noMore.abort();
    this.#stop.abort(new Error('the supervisor is gone'));
    this.#hurry.abort();
  }

  #onMessage(message: ToWorker, handle: unknown): void {
    switch (message.kind) {
      case 'question':
        void this.#answer(message.id, message.question);
        break;
      case 'connection':
        this.#take(handle as Socket | undefined, message.address);
        break;
      case 'noMoreConnections':
        this.#noMore.abort();
        break;
      case 'stop':
        this.#stop.abort(new Error('told to stop by the supervisor'));
        break;
      case 'hurry':
        this.#hurry.abort();
    }
  }

  /** @param socket undefined if the client has gone before it was handed over */
  #take(socket: Socket | undefined, address: number): void {
    const take = this.#takers.get(address);
    if (socket !== undefined && take !== undefined) {
      take(socket);
      return;
    }
    socket?.destroy();
    this.#tell({ kind: 'connectionClosed' });
  }

  async #answer(id: number, question: Question): Promise<void> {
    try {
      this.#tell({ kind: 'answer', id, answer: await this.#find(question) });
    } catch (error) {
      this.#tell({ kind: 'failure', id, reason: errorMessage(error) });
    }
  }

  async #find(question: Question): Promise<Answers[Question]> {
    const reports = this.#reports;
    switch (question) {
      case 'readiness': {
        const notReady = reports === undefined ? 'the proxy is starting' : reports.notReady();
        return notReady === undefined ? {} : { notReady };
      }
      case 'metrics':
        return ((await reports?.metrics.getMetricsAsJSON()) ?? []) satisfies MetricReport;
      case 'databaseMetrics': {
        const text = await reports?.databaseMetrics()?.metrics();
        return text === undefined ? {} : { text };
      }
    }
  }

  #tell(message: FromWorker): void {
    // If it cannot be told, it is gone, and this process hears of that too.
    this.#channel.send?.(message, undefined, undefined, () => {});
  }
}
