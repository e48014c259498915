/** What a storage is for its clients. */
export type StoragePhase =
  | 'serving'
  /** Its drain was asked for; its pod is there, and all its replicas are in sync. */
  | 'drained'
  /** Its pod is gone, or not ready. */
  | 'away'
  /** Its pod is ready, and copies what it has missed. */
  | 'catchingUp';

/** A time in which a storage was in one phase. Milliseconds since the round began. */
export interface PhaseBar {
  readonly storage: number;
  readonly phase: StoragePhase;
  readonly fromMs: number;
  readonly toMs: number;
}

/** Keeps which storage was in which phase, and when. All serve to begin with. */
export class PhaseRecord {
  readonly #nowMs: () => number;
  readonly #open = new Map<number, Omit<PhaseBar, 'toMs'>>();
  readonly #bars: PhaseBar[] = [];

  /** @param nowMs the time since the round began */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** Takes note of a storage's phase, which may be the one that it has been in. */
  note(storage: number, phase: StoragePhase): void {
    const open = this.#open.get(storage);
    if ((open?.phase ?? 'serving') === phase) return;
    const nowMs = this.#nowMs();
    if (open) this.#bars.push({ ...open, toMs: nowMs });
    if (phase === 'serving') this.#open.delete(storage);
    else this.#open.set(storage, { storage, phase, fromMs: nowMs });
  }

  /** All times in which storages did anything but serve; those that have not ended end now. */
  bars(): readonly PhaseBar[] {
    const nowMs = this.#nowMs();
    const open = Array.from(this.#open.values(), (one) => Object.assign({}, one, { toMs: nowMs }));
    return [...this.#bars, ...open];
  }
}
