import type { ChildProcess } from 'node:child_process';
import type { Socket } from 'node:net';
import { sleep, withTimeout, type Clock } from '../../base/clock.ts';
import { deferred, type Deferred } from '../../base/deferred.ts';
import type { Logger } from '../../base/logger.ts';
import type { Answers, FromWorker, Question, ToWorker } from './messages.ts';
import type { WorkerLoad } from './spread.ts';
import { WholeLines } from './whole-lines.ts';

export interface WorkerProcessOptions {
  readonly number: number;
  /** With a channel for messages, and its standard output as a pipe. */
  readonly child: ChildProcess;
  readonly events: WorkerEvents;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What a worker tells without being asked. */
interface WorkerEvents {
  /** It takes connections from now on. */
  onServes(): void;
  /** It wants no more connections. Is to be answered with `noMoreConnections`. */
  onLeaves(worker: WorkerProcess): void;
  /** A connection that was given to it is still here, and it has ended. */
  onGivenBack(connection: Socket, address: number): void;
  /** It has logged something. */
  onLines(lines: Buffer): void;
}

/** How a worker has ended. */
export interface WorkerEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

const pulseMs = 1000;
/** Of a worker that has said nothing for so long, which was asked each second, nothing is expected now. */
const responsiveMs = 5000;
/** As long as Kubernetes waits for a container that starts. */
const silenceLimitMs = 60_000;
const answerLimitMs = 2000;

/** A worker, as its supervisor sees it. One that says nothing for a minute is killed. */
export class WorkerProcess implements WorkerLoad {
  readonly number: number;
  /** When it has ended and all its output was read. */
  readonly ended: Promise<WorkerEnd>;
  readonly #options: WorkerProcessOptions;
  readonly #asked = new Map<number, Deferred<Answers[Question]>>();
  /** Connections that are on their way to it. */
  readonly #giving = new Map<Socket, number>();
  #lastQuestion = 0;
  #connections = 0;
  #heardMs: number;
  #state: 'starting' | 'serving' | 'leaving' | 'ended' = 'starting';
  #hasServed = false;

  constructor(options: WorkerProcessOptions) {
    const { number, child, clock, events } = options;
    this.number = number;
    this.#options = options;
    this.#heardMs = clock.monotonicMs();
    const lines = new WholeLines((whole) => events.onLines(whole));
    child.stdout?.on('data', (piece: Buffer) => lines.add(piece));
    child.on('message', (message) => this.#onMessage(message as FromWorker));
    child.on('disconnect', () => this.#onLost());
    child.on('exit', () => this.#onExit());
    // Whatever it is, the process ends, or cannot even begin.
    child.on('error', () => child.kill('SIGKILL'));
    this.ended = new Promise((resolve) => {
      child.on('close', (code, signal) => {
        lines.end();
        this.#onExit();
        resolve({ code, signal });
      });
    });
    void this.#watch();
  }

  get isServing(): boolean {
    return this.#state === 'serving';
  }

  /** Whether it has ever taken connections. */
  get hasServed(): boolean {
    return this.#hasServed;
  }

  get isResponsive(): boolean {
    return this.#silentMs() < responsiveMs;
  }

  get connections(): number {
    return this.#connections;
  }

  /** Rejects if it has ended, or does not answer within 2 s. */
  ask<Q extends Question>(question: Q): Promise<Answers[Q]> {
    const { clock, number } = this.#options;
    if (this.#hasEnded()) return Promise.reject(new Error(`worker ${number} has ended`));
    this.#lastQuestion += 1;
    const id = this.#lastQuestion;
    const asked = deferred<Answers[Question]>();
    this.#asked.set(id, asked);
    this.tell({ kind: 'question', id, question });
    const answer = asked.promise as Promise<Answers[Q]>;
    return withTimeout(clock, answerLimitMs, `asking worker ${number}`, answer).finally(() =>
      this.#asked.delete(id),
    );
  }

  tell(message: ToWorker): void {
    // If it cannot be told, it has ended, or is about to.
    this.#options.child.send(message, () => {});
  }

  /** Hands over a client's connection, of which nothing was read. */
  give(connection: Socket, address: number): void {
    this.#connections += 1;
    this.#giving.set(connection, address);
    const message: ToWorker = { kind: 'connection', address };
    this.#options.child.send(message, connection, (error) => {
      if (error === null) this.#giving.delete(connection);
      else this.#onLost();
    });
  }

  kill(): void {
    this.#options.child.kill('SIGKILL');
  }

  #hasEnded(): boolean {
    return this.#state === 'ended';
  }

  #silentMs(): number {
    return this.#options.clock.monotonicMs() - this.#heardMs;
  }

  async #watch(): Promise<void> {
    const { clock, logger, number } = this.#options;
    while (!this.#hasEnded()) {
      await sleep(clock, pulseMs);
      // Any answer is as good; what it says is asked for when somebody wants to know.
      await this.ask('readiness').catch(() => {});
      if (this.#hasEnded() || this.#silentMs() < silenceLimitMs) continue;
      logger.error({ worker: number }, 'a worker stands still: it is killed');
      this.kill();
    }
  }

  #onMessage(message: FromWorker): void {
    this.#heardMs = this.#options.clock.monotonicMs();
    const { events } = this.#options;
    switch (message.kind) {
      case 'answer':
        this.#asked.get(message.id)?.resolve(message.answer);
        break;
      case 'failure':
        this.#asked.get(message.id)?.reject(new Error(message.reason));
        break;
      case 'serves':
        this.#state = 'serving';
        this.#hasServed = true;
        events.onServes();
        break;
      case 'leaves':
        this.#state = 'leaving';
        events.onLeaves(this);
        break;
      case 'connectionClosed':
        this.#connections -= 1;
    }
  }

  #onExit(): void {
    if (this.#hasEnded()) return;
    this.#state = 'ended';
    this.#connections = 0;
    for (const { reject } of this.#asked.values()) {
      reject(new Error(`worker ${this.number} has ended`));
    }
    this.#giveBack();
  }

  /** It cannot be told anything any more, and ends, or has ended. */
  #onLost(): void {
    if (!this.#hasEnded()) this.#state = 'leaving';
    this.#giveBack();
  }

  #giveBack(): void {
    const back = [...this.#giving];
    this.#giving.clear();
    for (const [connection, address] of back) {
      this.#options.events.onGivenBack(connection, address);
    }
  }
}
