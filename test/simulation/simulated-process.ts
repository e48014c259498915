import type { Clock, Timer } from '../../src/base/clock.ts';
import type { Timeline } from './timeline.ts';

/** How wrong a process's clocks are. */
export interface ClockError {
  readonly skewMs: number;
  readonly rate: number;
}

const rightClock: ClockError = { skewMs: 0, rate: 1 };

/**
 * A process that can be paused, with what reaches it meanwhile waiting for it, and that can crash,
 * after which nothing reaches it any more. Whatever happens in it comes through its clock or
 * through {@link SimulatedProcess.receive}.
 */
export class SimulatedProcess implements Clock {
  readonly name: string;
  readonly timeline: Timeline;
  readonly #skewMs: number;
  readonly #rate: number;
  readonly #waiting: (() => void)[] = [];
  #state: 'running' | 'paused' | 'crashed' = 'running';

  /** `skewMs` is how far its wall clock is ahead at first, `rate` how fast its clocks run. */
  constructor(name: string, timeline: Timeline, { skewMs, rate }: ClockError = rightClock) {
    this.name = name;
    this.timeline = timeline;
    this.#skewMs = skewMs;
    this.#rate = rate;
  }

  get isRunning(): boolean {
    return this.#state === 'running';
  }

  get isPaused(): boolean {
    return this.#state === 'paused';
  }

  get hasCrashed(): boolean {
    return this.#state === 'crashed';
  }

  monotonicMs(): number {
    return this.timeline.monotonicMs() * this.#rate;
  }

  wallMs(): number {
    return this.timeline.wallMs() + this.#skewMs + this.timeline.monotonicMs() * (this.#rate - 1);
  }

  after(delayMs: number, callback: () => void): Timer {
    let isCancelled = false;
    const timer = this.timeline.after(delayMs / this.#rate, () =>
      this.receive(() => {
        if (!isCancelled) callback();
      }),
    );
    return {
      cancel() {
        isCancelled = true;
        timer.cancel();
      },
    };
  }

  /** Something reaches the process. */
  receive(what: () => void): void {
    if (this.#state === 'running') what();
    else if (this.#state === 'paused') this.#waiting.push(what);
  }

  /** A client's call does, on a connection of its own: one that stood still may see to that first. */
  receiveCall(what: () => void): void {
    if (this.#state === 'paused' && this.timeline.chance(0.5)) this.#waiting.unshift(what);
    else this.receive(what);
  }

  pause(): void {
    if (this.#state === 'running') this.#state = 'paused';
  }

  resume(): void {
    if (this.#state !== 'paused') return;
    this.#state = 'running';
    for (const what of this.#waiting.splice(0)) {
      this.timeline.after(0, () => this.receive(what));
    }
  }

  crash(): void {
    this.#state = 'crashed';
    this.#waiting.length = 0;
  }
}
