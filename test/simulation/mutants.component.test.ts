import { describe, expect, it, test } from '@jest/globals';
import { explore } from './explorer.ts';
import { mutants } from './mutants.ts';

/** Each is found within a few dozen schedules; this is what one that is not may cost. */
const runs = 3000;

describe('the simulation without a guard', () => {
  test.each(mutants.map((mutant) => [mutant.name, mutant] as const))(
    'finds what is violated: %s',
    async (_, mutant) => {
      const figures = await explore({ ...mutant, seed: 1, runs, workers: 1, maxViolations: 1 });
      expect(figures.violations[0]?.message).toMatch(mutant.violates);
    },
    300_000,
  );

  it('says so if a guard is not in the code any more', async () => {
    const edits = [{ file: 'src/base/random.ts', guard: 'no such text', without: '' }];
    await expect(
      explore({ edits, seed: 1, runs: 1, workers: 1, maxViolations: 1 }),
    ).rejects.toThrow('the guard stands 0 times');
  });
});
