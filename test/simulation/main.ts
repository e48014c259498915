/** Explores schedules of the write protocol: `npm run sim -- --help`. */
import { availableParallelism } from 'node:os';
import { Command } from 'commander';
import { parseCount } from '../../src/cli/count.ts';
import { positiveNumber } from '../support/option-numbers.ts';
import { explore, type Figures } from './explorer.ts';
import { mutants } from './mutants.ts';
import { parseSchedule, play } from './schedule.ts';
import { ViolationError } from './simulation.ts';

interface Options {
  readonly runs?: number;
  readonly seconds?: number;
  readonly seed: number;
  readonly workers: number;
  readonly replay?: string;
  readonly without?: string;
  readonly json?: boolean;
}

const usualRuns = 100_000;
const maxViolations = 10;
const progressMs = process.stderr.isTTY ? 500 : 15_000;

const options = new Command('sim')
  .description(
    `Plays the write protocol with proxies, storages and a store in simulated time, lets anything go wrong before ` +
      `any step, and checks the invariants after each one.`,
  )
  .option('--runs <number>', `how many schedules; ${usualRuns} if no time is given`, parseCount)
  .option('--seconds <number>', 'for how long', positiveNumber)
  .option('--seed <number>', 'which schedules', parseCount, 1)
  .option('--workers <number>', 'processes', parseCount, availableParallelism())
  .option('--replay <schedule>', 'plays one schedule and tells what happens in it')
  .option(
    '--without <guard>',
    `removes a guard first: ${mutants.map(({ name }) => name).join(', ')}`,
  )
  .option('--json', 'the figures as JSON')
  .parse()
  .opts<Options>();

if (options.replay === undefined) process.exitCode = await exploreAll(options);
else process.exitCode = await replay(options.replay);

async function exploreAll({ json, without, ...given }: Options): Promise<number> {
  const mutant = mutants.find(({ name }) => name === without);
  if (without !== undefined && mutant === undefined) {
    console.error(`there is no guard ${without}`);
    return 2;
  }
  const runs = given.runs ?? (given.seconds === undefined ? usualRuns : undefined);
  let nextProgressMs = progressMs;
  let told = 0;
  const figures = await explore({
    ...given,
    ...(runs !== undefined && { runs }),
    ...(mutant !== undefined && mutant),
    maxViolations: mutant === undefined ? maxViolations : 1,
    onProgress(so) {
      // As soon as they are found: the rest takes minutes.
      for (const violation of so.violations.slice(told)) console.error(textOfViolation(violation));
      told = so.violations.length;
      if (json === true || so.elapsedMs < nextProgressMs) return;
      nextProgressMs = so.elapsedMs + progressMs;
      const line = progressOf(so, runs);
      process.stderr.write(process.stderr.isTTY ? `\r\u001b[K${line}` : `${line}\n`);
    },
  });
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
  console.log(json === true ? JSON.stringify(figures) : textOf(figures));
  return figures.violations.length > 0 ? 1 : 0;
}

function progressOf({ runs, elapsedMs, violations }: Figures, total: number | undefined): string {
  const of = total === undefined ? '' : ` of ${total}`;
  const perSecond = Math.round((runs / elapsedMs) * 1000);
  return `${runs}${of} schedules, ${perSecond} a second, ${violations.length} violations`;
}

function textOf(figures: Figures): string {
  const { runs, events, elapsedMs, cpuMs, acknowledged, failed, faults, crashPoints } = figures;
  const listed = Math.min(crashPoints, Math.ceil(runs / 2));
  return [
    `${runs} schedules in ${(elapsedMs / 1000).toFixed(0)} s, ` +
      `${(cpuMs / runs).toFixed(1)} ms of CPU and ${Math.round(events / runs)} events each`,
    `${listed} of ${crashPoints} crash points one by one, the others with faults by chance`,
    `${acknowledged} calls acknowledged, ${failed} refused, ${faults} faults`,
    ...figures.violations.map(textOfViolation),
    figures.violations.length === 0 ? 'no violation' : `${figures.violations.length} violations`,
  ].join('\n');
}

function textOfViolation({ schedule, message }: Figures['violations'][number]): string {
  return `${message}\n  npm run sim -- --replay ${schedule}`;
}

async function replay(text: string): Promise<number> {
  try {
    const { told, ...result } = await play(parseSchedule(text), true);
    console.log([...told, JSON.stringify(result)].join('\n'));
    return 0;
  } catch (error) {
    if (!(error instanceof ViolationError)) throw error;
    console.log([...error.told, error.message].join('\n'));
    return 1;
  }
}
