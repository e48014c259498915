import type { Ask } from './postgres-verifications.ts';
import type { StorageKey } from './storage-identity.ts';
import type { StorageSetting, StorageSettings } from './storage-settings.ts';

/** Settings in PostgreSQL: one column of a table. */
export class PostgresSettings<T> implements StorageSettings<T> {
  readonly #ask: Ask;
  readonly #table: string;
  readonly #column: string;

  /** @param names as they stand in SQL */
  constructor(ask: Ask, names: { readonly table: string; readonly column: string }) {
    this.#ask = ask;
    this.#table = names.table;
    this.#column = names.column;
  }

  async set({ virtualStorage, storage }: StorageKey, value: T | undefined): Promise<void> {
    const key = [virtualStorage, storage];
    const column = this.#column;
    await this.#ask(
      value === undefined
        ? {
            text: `DELETE FROM ${this.#table} WHERE virtual_storage = $1 AND storage = $2`,
            values: key,
          }
        : {
            text: `INSERT INTO ${this.#table} (virtual_storage, storage, ${column}) VALUES ($1, $2, $3)
                   ON CONFLICT (virtual_storage, storage) DO UPDATE SET ${column} = EXCLUDED.${column}`,
            values: [...key, value],
          },
    );
  }

  async list(): Promise<readonly StorageSetting<T>[]> {
    const rows = await this.#ask<SettingRow<T>>({
      name: `list-${this.#table}`,
      text: `SELECT virtual_storage, storage, ${this.#column} AS value FROM ${this.#table}`,
    });
    return rows.map(({ virtual_storage: virtualStorage, storage, value }) => ({
      virtualStorage,
      storage,
      value,
    }));
  }
}

interface SettingRow<T> {
  readonly virtual_storage: string;
  readonly storage: string;
  readonly value: T;
}
