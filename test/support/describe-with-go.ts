import { describe } from '@jest/globals';
import { goVersion } from '../testbed/requirements.ts';
import { requireGo } from './go-program.ts';

/**
 * `describe` for tests that need a program of test/go. Where the machine has no Go that can build it,
 * they are skipped, after a line that says why; with `CI=true` they are run, and fail.
 */
export const describeWithGo = (await mayRun()) ? describe : describe.skip;

async function mayRun(): Promise<boolean> {
  if (process.env['CI'] === 'true') return true;
  try {
    requireGo(await goVersion());
    return true;
  } catch (error) {
    console.warn(`tests are skipped: ${String(error)}`);
    return false;
  }
}
