import { beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { clientConfig, useDatabase } from '../../../test/support/postgres.ts';
import { migrate } from './testing.ts';
import { promoteRechecks, takeTurns } from './verification-queries.ts';

const database = useDatabase();
beforeAll(() => migrate(database.coordinates));

/** Nothing has waited as long as that, but for what was marked. */
const longMs = 1e9;
const take = takeTurns({ intervalMs: longMs, leaseMs: 60_000, limit: 2 });

async function withClient<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(clientConfig(database.coordinates));
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** Adds repositories until there are so many. Nobody listens: they are not announced. */
async function fillTo(client: pg.Client, repositories: number): Promise<void> {
  await client.query('ALTER TABLE repositories DISABLE TRIGGER announce_repository');
  await client.query(
    `INSERT INTO repositories (id, virtual_storage, relative_path, replica_path, version, epoch,
                               lsn, primary_storage, replicas, intents, placement, settled)
     SELECT id, 'default', id || '.git', '@cluster/' || id, 1, 1, 0, 'a',
            '[{"storage": "a", "lsn": "0", "role": "voter"}]', '[]', '["a",["a","voter",true]]', true
     FROM generate_series((SELECT coalesce(max(id), 0) + 1 FROM repositories), $1) AS id`,
    [repositories],
  );
  await client.query('ALTER TABLE repositories ENABLE TRIGGER announce_repository');
  await client.query('VACUUM ANALYZE');
}

/** Two are in doubt, and their time has come. */
const recheckTwo = 'UPDATE verifications SET recheck_at = now() WHERE id IN (500, 501)';

/** How many blocks a look at the queue reads, and how many turns it gets. */
async function look(client: pg.Client): Promise<{ blocks: number; turns: number }> {
  const promoted = await explain(client, promoteRechecks());
  const taken = await explain(client, take);
  return { blocks: blocksOf(promoted) + blocksOf(taken), turns: taken['Actual Rows'] };
}

async function explain(
  client: pg.Client,
  { text, values = [] }: pg.QueryConfig,
): Promise<Explained['Plan']> {
  const { rows } = await client.query<{ 'QUERY PLAN': readonly [Explained] }>(
    `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${text}`,
    values,
  );
  const [explained] = rows[0]?.['QUERY PLAN'] ?? [];
  if (explained === undefined) throw new Error('there is no plan');
  return explained.Plan;
}

function blocksOf(plan: Explained['Plan']): number {
  return plan['Shared Hit Blocks'] + plan['Shared Read Blocks'];
}

interface Explained {
  readonly Plan: {
    readonly 'Shared Hit Blocks': number;
    readonly 'Shared Read Blocks': number;
    readonly 'Actual Rows': number;
  };
}

describe('a look at the queue of verifications', () => {
  it('reads as little with many repositories as with few, whether it is their turn or not', async () => {
    await withClient(async (client) => {
      for (const repositories of [1000, 20_000]) {
        await fillTo(client, repositories);
        const idle = await look(client);
        expect(idle.turns).toBe(0);
        expect(idle.blocks).toBeLessThan(20);
        await client.query(`UPDATE verifications SET queued_at = '-infinity'`);
        await client.query(recheckTwo);
        await client.query('VACUUM ANALYZE');
        const busy = await look(client);
        expect(busy.turns).toBe(2);
        expect(busy.blocks).toBeLessThan(100);
        await client.query('UPDATE verifications SET queued_at = now()');
      }
    });
  });
});
