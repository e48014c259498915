import type { Connection, Stream } from './simulated-connection.ts';
import type { SimulatedProcess } from './simulated-process.ts';

/** How long a message is under way at most, unless nothing arrives. */
export const longestWayMs = 60;

export type Way = 'toProxy' | 'toStorage';

/**
 * The network between a proxy and a storage. Messages of one stream arrive in order, those of others may overtake
 * them. What is under way when a connection breaks is lost, but for what is about to arrive.
 */
export class SimulatedNetwork {
  readonly #proxy: SimulatedProcess;
  readonly #silentUntilMs: Record<Way, number> = { toProxy: 0, toStorage: 0 };

  constructor(proxy: SimulatedProcess) {
    this.#proxy = proxy;
  }

  /** For so long nothing arrives that goes those ways; then it all does. */
  fallSilent(forMs: number, ways: readonly Way[]): void {
    for (const way of ways) this.#silentUntilMs[way] = this.#proxy.timeline.monotonicMs() + forMs;
  }

  /** For how long still nothing arrives at the storage. */
  get silentMs(): number {
    return Math.max(0, this.#silentUntilMs.toStorage - this.#proxy.timeline.monotonicMs());
  }

  send(connection: Connection, stream: Stream, way: Way, arrive: () => void): void {
    const { timeline } = this.#proxy;
    const nowMs = timeline.monotonicMs();
    const soonMs = nowMs + timeline.between(0.1, timeline.chance(0.05) ? longestWayMs : 4);
    const arrivalMs = Math.max(soonMs, stream[way], this.#silentUntilMs[way]);
    stream[way] = arrivalMs;
    connection.last[way] = Math.max(connection.last[way], arrivalMs);
    const receiver = way === 'toProxy' ? this.#proxy : connection.storage;
    timeline.after(arrivalMs - nowMs, () => {
      const isOpen =
        connection.isOpen ||
        (way === 'toStorage' && timeline.monotonicMs() <= connection.openToStorageUntilMs);
      if (isOpen) receiver.receive(arrive);
    });
  }
}
