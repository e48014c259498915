import { describe, expect, it } from '@jest/globals';
import { simulate, ViolationError, type SimulationResult } from './simulation.ts';

/** Set to replay one run and see what happened in it. */
const replayed = process.env['SIMULATION_SEED'];
/** How many runs there are, and the first one's seed. */
const runs = Number(process.env['SIMULATION_RUNS'] ?? 100);
const limitMs = Math.max(240_000, runs * 2000);
const firstSeed = Number(process.env['SIMULATION_FIRST_SEED'] ?? 1);

async function replay(seed: number): Promise<SimulationResult> {
  try {
    const result = await simulate(seed, true);
    process.stderr.write(`${result.told.join('\n')}\n`);
    return result;
  } catch (error) {
    if (error instanceof ViolationError) process.stderr.write(`${error.told.join('\n')}\n`);
    throw error;
  }
}

async function simulateAll(): Promise<SimulationResult[]> {
  const results: SimulationResult[] = [];
  const violations: string[] = [];
  for (let seed = firstSeed; seed < firstSeed + runs; seed++) {
    try {
      results.push(await simulate(seed));
    } catch (error) {
      violations.push(String(error));
    }
  }
  if (violations.length > 0) {
    throw new Error(
      `${violations.length} of ${runs} runs; replay one with SIMULATION_SEED=<seed>\n` +
        violations.join('\n'),
    );
  }
  return results;
}

describe('the write protocol, while anything fails at any moment', () => {
  it(
    'loses nothing acknowledged, keeps replicas equal and never gets stuck',
    async () => {
      const results =
        replayed === undefined ? await simulateAll() : [await replay(Number(replayed))];
      // A simulation in which nothing succeeds, or nothing fails, would prove nothing.
      const sum = (count: (result: SimulationResult) => number) =>
        results.map(count).reduce((a, b) => a + b, 0);
      expect(sum(({ acknowledged }) => acknowledged)).toBeGreaterThan(results.length * 10);
      expect(sum(({ failed }) => failed)).toBeGreaterThan(0);
    },
    limitMs,
  );

  it('is the same run for the same seed', async () => {
    const [first, second] = [await simulate(1, true), await simulate(1, true)];
    expect(first.told.length).toBeGreaterThan(100);
    expect(second).toEqual(first);
  });
});
