import { describe, expect, it } from '@jest/globals';
import { simulate, type SimulationResult } from './simulation.ts';

/** More are played by `npm run sim`, which also replays one: `-- --replay long/42`. */
const runs = 40;

async function simulateAll(): Promise<SimulationResult[]> {
  const results: SimulationResult[] = [];
  for (let seed = 1; seed <= runs; seed++) results.push(await simulate(seed));
  return results;
}

describe('the write protocol, while anything fails at any moment', () => {
  it('loses nothing acknowledged, keeps replicas equal and never gets stuck', async () => {
    const results = await simulateAll();
    // A simulation in which nothing succeeds, or nothing fails, would prove nothing.
    const sum = (count: (result: SimulationResult) => number) =>
      results.map(count).reduce((a, b) => a + b, 0);
    expect(sum(({ acknowledged }) => acknowledged)).toBeGreaterThan(results.length * 10);
    expect(sum(({ failed }) => failed)).toBeGreaterThan(0);
  }, 240_000);

  it('is the same run for the same seed', async () => {
    const [first, second] = [await simulate(1, true), await simulate(1, true)];
    expect(first.told.length).toBeGreaterThan(100);
    expect(second).toEqual(first);
  });
});
