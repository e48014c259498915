/**
 * All checks and tests, fastest first, with what they need: `npm test`. The e2e tests need a machine
 * that can carry the testbed, or KUBECONFIG; elsewhere they are skipped, and the summary says why.
 * With CI=true a skip is a failure.
 */
import { readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { requirements } from '../test/testbed/requirements.ts';
import { run, runSteps } from './run-steps.ts';

interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

const none: Counts = { passed: 0, failed: 0, skipped: 0 };

/** Runs one of jest's projects. A project that could not run at all counts as one failure. */
async function runProject(name: string, args: readonly string[] = []): Promise<Counts> {
  console.log(`\n== ${name} tests`);
  const report = join(tmpdir(), `jest-${name}-${process.pid}.json`);
  const jest = ['npm', 'run', '-s', 'jest', '--', '--selectProjects', name] as const;
  const code = await run([...jest, '--json', `--outputFile=${report}`, ...args]);
  const counts = await readFile(report, 'utf8').then(parseReport, () => none);
  await rm(report, { force: true });
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

/** Why the e2e tests cannot run here, or undefined if they can. */
async function whyNoCluster(): Promise<string | undefined> {
  if (process.env['KUBECONFIG']) return undefined;
  const outcome = await requirements();
  return outcome.kind === 'ok' ? undefined : outcome.reasons.join('; ');
}

const startedMs = performance.now();
if ((await runSteps([{ name: 'checks', command: ['npm', 'run', '-s', 'check'] }])) !== undefined) {
  process.exit(1);
}
const results: Counts[] = [await runProject('unit')];
let skipReason: string | undefined;
const built = await runSteps([{ name: 'build', command: ['npm', 'run', '-s', 'build'] }]);
if (built !== undefined) results.push({ ...none, failed: 1 });
else {
  results.push(await runProject('component'));
  skipReason = await whyNoCluster();
  if (skipReason === undefined) results.push(await runProject('e2e', ['--runInBand']));
}

const total = results.reduce((sum, counts) => ({
  passed: sum.passed + counts.passed,
  failed: sum.failed + counts.failed,
  skipped: sum.skipped + counts.skipped,
}));
const minutes = ((performance.now() - startedMs) / 60_000).toFixed(1);
console.log(`\n== all tests: ${minutes} min`);
if (skipReason !== undefined) {
  console.log(
    `The e2e tests were skipped: ${skipReason}. Set KUBECONFIG to run them on a cluster.`,
  );
}
console.log(`tests: ${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
const skippedInCi = process.env['CI'] === 'true' && skipReason !== undefined;
process.exit(total.failed > 0 || skippedInCi ? 1 : 0);
