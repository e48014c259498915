/**
 * Runs the property tests with new seeds for as long as it is told: `npm run soak -- --seconds 600`.
 * It ends at the first round that fails, with the seed in fast-check's report.
 */
import { Command } from 'commander';
import { run } from './run-steps.ts';

const { seconds } = new Command('soak')
  .description('Runs the property tests with new seeds, again and again.')
  .option('--seconds <number>', 'for how long, to the end of the round', Number, 600)
  .parse()
  .opts<{ seconds: number }>();

const endMs = performance.now() + seconds * 1000;
const jest = ['npm', 'run', '-s', 'jest', '--', '--selectProjects', 'unit'] as const;
const related = ['--findRelatedTests', 'test/support/properties.ts'];
let rounds = 0;
let code = 0;
do {
  rounds += 1;
  console.log(`== round ${rounds}`);
  code = await run([...jest, ...related], { PROPERTY_SEED: 'random' });
} while (code === 0 && performance.now() < endMs);
console.log(code === 0 ? `${rounds} rounds passed` : `round ${rounds} failed`);
process.exitCode = code;
