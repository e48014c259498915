/** Checks the model of the write protocol: `npm run model`. See README.md. */
import { availableParallelism } from 'node:os';
import { Command, InvalidArgumentError } from 'commander';
import { lineProgress, silentProgress } from '../test/testbed/progress.ts';
import { checkModel, tableOf } from './check-model.ts';
import { checks, type Check } from './checks.ts';
import { findSpin, runCheck } from './spin.ts';

function findCheck(name: string): Check {
  const check = checks.find((candidate) => candidate.name === name);
  if (check !== undefined) return check;
  throw new InvalidArgumentError(`There is: ${checks.map((each) => each.name).join(', ')}`);
}

const { json = false, trace } = new Command('model')
  .description('Looks at every state that the model of the write protocol can reach.')
  .option('--json', 'print the results for programs')
  .option('--trace <name>', 'tell the shortest way to what one check finds', findCheck)
  .parse()
  .opts<{ json?: boolean; trace?: Check }>();

if (trace === undefined) {
  const progress = json ? silentProgress : lineProgress((line) => process.stderr.write(line));
  const results = await checkModel(progress, Math.min(availableParallelism(), 4));
  console.log(json ? JSON.stringify(results, undefined, 2) : tableOf(results));
  process.exitCode = results.every(({ passed }) => passed) ? 0 : 1;
} else {
  const { story, result } = await runCheck(trace, { spin: await findSpin(), wantsShortest: true });
  console.log(story.length > 0 ? story.join('\n') : `nothing to tell: ${result}`);
}
