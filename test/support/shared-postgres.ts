import { startPostgres, type DatabaseCoordinates, type PostgresServer } from './postgres-server.ts';

/**
 * The one PostgreSQL server of a test run. Jest's global setup starts it in the parent process; the
 * test files, which may run in other processes, learn of it through the environment.
 */
const variable = 'TEST_POSTGRES';

/** Jest's global setup and teardown share nothing but the global object. */
const run = globalThis as { componentPostgres?: PostgresServer };

/** Starts the server and lets processes that are started from now on know of it. */
export async function startSharedPostgres(): Promise<void> {
  const server = await startPostgres();
  run.componentPostgres = server;
  process.env[variable] = JSON.stringify(server.coordinates('postgres'));
}

export async function stopSharedPostgres(): Promise<void> {
  await run.componentPostgres?.stop();
}

/** Where the run's server is. */
export function sharedPostgres(): DatabaseCoordinates {
  const value = process.env[variable];
  if (value === undefined) {
    throw new Error('no PostgreSQL server: only component tests (*.component.test.ts) have one');
  }
  return JSON.parse(value) as DatabaseCoordinates;
}
