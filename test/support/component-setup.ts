import { startSharedPostgres } from './shared-postgres.ts';

/** Jest's global setup of the component project: runs once, before the first test file. */
export default async function setUp(): Promise<void> {
  await startSharedPostgres();
}
