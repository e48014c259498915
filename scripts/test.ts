/**
 * Everything that can be told of the project on this machine, fastest first: `npm test`. Ends with the
 * sum of all counts. Where the machine cannot carry the testbed, the e2e tests are skipped, and the end
 * says why; with CI=true that is a failure.
 */
import { readFile, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { errorMessage } from '../src/base/errors.ts';
import { checkModel, tableOf } from '../model/check-model.ts';
import { clusterRequirements } from '../test/testbed/cluster.ts';
import { lineProgress } from '../test/testbed/progress.ts';
import { run, runSteps } from './run-steps.ts';

interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

const none: Counts = { passed: 0, failed: 0, skipped: 0 };

/** Runs one of jest's projects. A project that could not run at all counts as one failure. */
async function runProject(name: string, ...options: readonly string[]): Promise<Counts> {
  const startedMs = performance.now();
  console.log(`\n== ${name} tests`);
  const report = join(tmpdir(), `jest-${name}-${process.pid}.json`);
  const jest = ['npm', 'run', '-s', 'jest', '--', '--selectProjects', name, ...options] as const;
  // A connection that nobody answers must not keep the run from ending.
  const code = await run([...jest, '--forceExit', '--json', `--outputFile=${report}`]);
  const counts = await readFile(report, 'utf8').then(parseReport, () => none);
  await rm(report, { force: true });
  console.log(`== ${name} tests: ${minutesSince(startedMs)} min`);
  return code !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts;
}

function parseReport(text: string): Counts {
  const report = JSON.parse(text) as Record<string, number>;
  return {
    passed: report['numPassedTests'] ?? 0,
    failed: (report['numFailedTests'] ?? 0) + (report['numRuntimeErrorTestSuites'] ?? 0),
    skipped: report['numPendingTests'] ?? 0,
  };
}

/** Plays the write protocol: as many schedules as `npm run sim` does by itself. Counts as one test. */
async function runSimulation(): Promise<Counts> {
  const startedMs = performance.now();
  console.log('\n== simulation');
  const code = await run(['npm', 'run', '-s', 'sim']);
  console.log(`== simulation: ${minutesSince(startedMs)} min`);
  return code === 0 ? { ...none, passed: 1 } : { ...none, failed: 1 };
}

/** Checks the model of the write protocol. If it cannot be checked that counts as one failure. */
async function runModel(): Promise<Counts> {
  const startedMs = performance.now();
  console.log('\n== model');
  const progress = lineProgress((line) => process.stdout.write(line));
  try {
    const results = await checkModel(progress, Math.min(availableParallelism(), 4));
    console.log(tableOf(results));
    const passed = results.filter((result) => result.passed).length;
    return { passed, failed: results.length - passed, skipped: 0 };
  } catch (error) {
    console.log(errorMessage(error));
    return { ...none, failed: 1 };
  } finally {
    console.log(`== model: ${minutesSince(startedMs)} min`);
  }
}

/** @returns why the e2e tests were left out, or their counts */
async function runEndToEnd(): Promise<Counts | string> {
  const verdict = await clusterRequirements();
  if (verdict.kind === 'ok') return runProject('e2e', '--runInBand');
  return `the e2e tests were skipped, because this machine cannot carry the testbed:
${verdict.reasons.map((reason) => `- ${reason}`).join('\n')}
Set KUBECONFIG to run them on another cluster; see test/testbed/README.md.`;
}

function minutesSince(startedMs: number): string {
  return ((performance.now() - startedMs) / 60_000).toFixed(1);
}

const startedMs = performance.now();
const failedStep = await runSteps([
  { name: 'check', command: ['npm', 'run', '-s', 'check'] },
  { name: 'build', command: ['npm', 'run', '-s', 'build'] },
]);
if (failedStep !== undefined) process.exit(1);

const results = [
  await runProject('unit'),
  await runModel(),
  await runSimulation(),
  await runProject('component'),
];
const endToEnd = await runEndToEnd();
if (typeof endToEnd !== 'string') results.push(endToEnd);
else if (process.env['CI'] === 'true') results.push({ ...none, failed: 1 });

const total = results.reduce((sum, counts) => ({
  passed: sum.passed + counts.passed,
  failed: sum.failed + counts.failed,
  skipped: sum.skipped + counts.skipped,
}));
console.log(`\n== all: ${minutesSince(startedMs)} min`);
if (typeof endToEnd === 'string') console.log(endToEnd);
console.log(`tests: ${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exit(total.failed > 0 ? 1 : 0);
