const minSlots = 16;

/**
 * A map from whole numbers of 0 to 2^53 - 1, for what comes and goes with every call.
 *
 * V8's own Map moves to a new table again and again when entries come and go, and each old table keeps
 * the new one, with all that is in it, from being collected as young garbage. Under load that kept
 * every call alive until the next collection of the whole heap. This one changes its table in place:
 * open addressing, linear probing, half full at most. It
 * does not shrink.
 */
export class NumberMap<T extends object> {
  #keys: number[] = Array.from({ length: minSlots }, () => 0);
  /** A slot without a value is free. */
  #values: (T | undefined)[] = Array.from({ length: minSlots });
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(key: number): T | undefined {
    return this.#values[this.#slotOf(key)];
  }

  set(key: number, value: T): void {
    const slot = this.#slotOf(key);
    if (this.#values[slot] !== undefined) {
      this.#values[slot] = value;
      return;
    }
    this.#keys[slot] = key;
    this.#values[slot] = value;
    this.#size += 1;
    if (this.#size * 2 > this.#values.length) this.#grow();
  }

  /** @returns whether there was such an entry */
  delete(key: number): boolean {
    const slot = this.#slotOf(key);
    if (this.#values[slot] === undefined) return false;
    this.#size -= 1;
    this.#close(slot);
    return true;
  }

  /** All values as they are now, in no order. What is changed meanwhile does not show. */
  values(): T[] {
    return this.#values.filter((value) => value !== undefined);
  }

  /** Where the key is, or where it would be. */
  #slotOf(key: number): number {
    const last = this.#values.length - 1;
    let slot = homeOf(key, last);
    while (this.#values[slot] !== undefined && this.#keys[slot] !== key) slot = (slot + 1) & last;
    return slot;
  }

  /** Frees a slot, and moves what follows forward as far as it may go, so that no search ends early. */
  #close(freed: number): void {
    const last = this.#values.length - 1;
    let gap = freed;
    for (let slot = (gap + 1) & last; this.#values[slot] !== undefined; slot = (slot + 1) & last) {
      const key = this.#keys[slot] ?? 0;
      const stepsFromHome = (slot - homeOf(key, last)) & last;
      if (stepsFromHome < ((slot - gap) & last)) continue;
      this.#keys[gap] = key;
      this.#values[gap] = this.#values[slot];
      gap = slot;
    }
    this.#values[gap] = undefined;
  }

  #grow(): void {
    const keys = this.#keys;
    const values = this.#values;
    const slots = 2 * values.length;
    this.#keys = Array.from({ length: slots }, () => 0);
    this.#values = Array.from({ length: slots });
    for (const [old, value] of values.entries()) {
      if (value === undefined) continue;
      const key = keys[old] ?? 0;
      const slot = this.#slotOf(key);
      this.#keys[slot] = key;
      this.#values[slot] = value;
    }
  }
}

/** Spreads keys that follow a pattern, as stream identifiers do: Knuth's multiplicative hash. */
function homeOf(key: number, last: number): number {
  return (Math.imul(key, 0x9e37_79b1) >>> 7) & last;
}
