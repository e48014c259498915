import { stopSharedPostgres } from './shared-postgres.ts';

/** Jest's global teardown of the component project: runs once, after the last test file. */
export default async function tearDown(): Promise<void> {
  await stopSharedPostgres();
}
