/** The storages that a step of repair works with. */
export interface InvolvedStorages {
  readonly target?: string;
  readonly source?: string;
}

/**
 * Bounds what runs at the same time: in all, and to and from each storage. One place is kept from any single storage,
 * so that a slow one cannot take all.
 */
export class RepairSlots {
  readonly #size: number;
  readonly #sizePerStorage: number;
  readonly #taken = new Map<string, number>();
  #running = 0;

  /** @param size at the same time, at least 1 */
  constructor(size: number) {
    this.#size = size;
    this.#sizePerStorage = Math.max(1, size - 1);
  }

  get isFull(): boolean {
    return this.#running >= this.#size;
  }

  /** Whether one more may be copied there. */
  hasRoomTo(target: string): boolean {
    return this.#isFree(`to ${target}`);
  }

  /** Whether one more may be copied from there. */
  hasRoomFrom(source: string): boolean {
    return this.#isFree(`from ${source}`);
  }

  /** @returns what gives it back */
  take({ target, source }: InvolvedStorages): () => void {
    const keys = [
      ...(target === undefined ? [] : [`to ${target}`]),
      ...(source === undefined ? [] : [`from ${source}`]),
    ];
    this.#count(keys, 1);
    return () => this.#count(keys, -1);
  }

  #isFree(key: string): boolean {
    return !this.isFull && (this.#taken.get(key) ?? 0) < this.#sizePerStorage;
  }

  #count(keys: readonly string[], change: 1 | -1): void {
    this.#running += change;
    for (const key of keys) {
      const count = (this.#taken.get(key) ?? 0) + change;
      if (count === 0) this.#taken.delete(key);
      else this.#taken.set(key, count);
    }
  }
}
