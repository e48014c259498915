import pg from 'pg';
import { writtenColumns } from '../../src/proxy/store/records.ts';

/** Copies one repository's row `count` times, to ids and paths of its own. */
export async function copyRecord(
  database: pg.ClientConfig,
  model: { readonly id: bigint },
  count: number,
): Promise<void> {
  const columns = ['version', ...writtenColumns];
  const values = columns.map((column) =>
    column === 'relative_path' ? `'copy-' || number || '.git'` : column,
  );
  const client = new pg.Client(database);
  await client.connect();
  try {
    await client.query(
      `INSERT INTO repositories (id, ${columns.join(', ')})
       SELECT nextval('repository_ids'), ${values.join(', ')}
       FROM repositories CROSS JOIN generate_series(1, $2::int) AS number WHERE id = $1`,
      [model.id, count],
    );
  } finally {
    await client.end();
  }
}
