import type { Progress } from '../test/testbed/progress.ts';
import { checks, type Check } from './checks.ts';
import { violatedInvariant } from './pan-report.ts';
import { findSpin, runCheck, type SpinResult } from './spin.ts';

/** A check, and whether it came out as it had to. */
export interface CheckResult extends Pick<Check, 'name' | 'shows' | 'expected'> {
  readonly passed: boolean;
  /** What was found, in a word or two. */
  readonly found: string;
  readonly states: number;
  readonly seconds: number;
}

/**
 * Runs every check, `parallel` at a time, each with up to 3 GB of memory. Those without a violation take
 * 0.5 GB.
 *
 * @throws Error if there is no Spin and it cannot be had, or a check cannot be run
 */
export async function checkModel(
  progress: Progress,
  parallel: number,
): Promise<readonly CheckResult[]> {
  const spin = await findSpin();
  const results = new Map<Check, CheckResult>();
  const waiting = checks.values();
  const work = async () => {
    // One iterator for all: each takes the next check that nobody has taken.
    for (const check of waiting) {
      const startedMs = performance.now();
      const result = await progress.during(check.name, () => runCheck(check, { spin }));
      results.set(check, judge(check, result, (performance.now() - startedMs) / 1000));
    }
  };
  await Promise.all(Array.from({ length: parallel }, work));
  return checks.flatMap((check) => results.get(check) ?? []);
}

/** Whether a check has come out as it had to. A search that was cut short never has. */
export function judge(check: Check, { result, states, story }: SpinResult, seconds: number) {
  const { name, shows, expected } = check;
  const invariant = violatedInvariant(story);
  const isGoal = story.at(-1) === 'the goal is reached';
  const passed = {
    holds: result === 'complete',
    breaks: result === 'violated' && invariant !== undefined,
    happens: result === 'violated' && isGoal,
  }[expected];
  const end = isGoal ? 'reached' : (invariant ?? 'violated');
  const found = { complete: 'no violation', violated: end, incomplete: 'search cut short' }[result];
  return { name, shows, expected, passed, found, states, seconds } satisfies CheckResult;
}

/** The results as lines for a terminal. */
export function tableOf(results: readonly CheckResult[]): string {
  const rows = results.map(({ name, shows, passed, found, states, seconds }) => [
    passed ? 'ok' : 'FAILED',
    name,
    shows,
    found,
    String(states),
    seconds.toFixed(1),
  ]);
  const table = [['', 'check', 'what', 'found', 'states', 'seconds'], ...rows];
  const widths = table[0]?.map((_, column) =>
    Math.max(...table.map((row) => row[column]?.length ?? 0)),
  );
  const line = (row: readonly string[]) =>
    row.map((cell, column) => cell.padEnd(widths?.[column] ?? 0)).join('  ');
  return table.map((row) => line(row).trimEnd()).join('\n');
}
