import type { ConfiguredWeight } from '../routing/placement-weight.ts';
import type { Ask } from './postgres-verifications.ts';
import type { StorageKey } from './storage-identity.ts';
import type { StorageWeight, WeightTable } from './weight-table.ts';

/** The weights in PostgreSQL. */
export class PostgresWeights implements WeightTable {
  readonly #ask: Ask;

  constructor(ask: Ask) {
    this.#ask = ask;
  }

  async set({ virtualStorage, storage }: StorageKey, weight: ConfiguredWeight): Promise<void> {
    const key = [virtualStorage, storage];
    await this.#ask(
      weight === 'auto'
        ? {
            text: 'DELETE FROM storage_weights WHERE virtual_storage = $1 AND storage = $2',
            values: key,
          }
        : {
            text: `INSERT INTO storage_weights (virtual_storage, storage, weight) VALUES ($1, $2, $3)
                   ON CONFLICT (virtual_storage, storage) DO UPDATE SET weight = EXCLUDED.weight`,
            values: [...key, weight],
          },
    );
  }

  async list(): Promise<readonly StorageWeight[]> {
    const rows = await this.#ask<WeightRow>({
      name: 'list-storage-weights',
      text: 'SELECT virtual_storage, storage, weight FROM storage_weights',
    });
    return rows.map(({ virtual_storage: virtualStorage, storage, weight }) => ({
      virtualStorage,
      storage,
      weight,
    }));
  }
}

interface WeightRow {
  readonly virtual_storage: string;
  readonly storage: string;
  readonly weight: number;
}
