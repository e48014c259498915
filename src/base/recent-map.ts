/**
 * A map that forgets what was not used lately. It holds `limit` entries at most, and always the half
 * of that number that was used last. Use costs one look-up: entries are not put in order, which for
 * a Map means new tables all the time.
 */
export class RecentMap<K, V extends object> {
  readonly #limit: number;
  #recent = new Map<K, V>();
  /** What was used before `#recent` began. Where both have an entry, that one holds. */
  #older = new Map<K, V>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  get(key: K): V | undefined {
    const recent = this.#recent.get(key);
    if (recent !== undefined) return recent;
    const older = this.#older.get(key);
    if (older !== undefined) this.set(key, older);
    return older;
  }

  has(key: K): boolean {
    return this.#recent.has(key) || this.#older.has(key);
  }

  set(key: K, value: V): void {
    this.#recent.set(key, value);
    if (this.#recent.size * 2 < this.#limit) return;
    this.#older = this.#recent;
    this.#recent = new Map();
  }

  delete(key: K): void {
    this.#recent.delete(key);
    this.#older.delete(key);
  }

  clear(): void {
    this.#recent.clear();
    this.#older.clear();
  }
}
