/**
 * Types, architecture and all tests, fastest first: `npm test`. Ends with the sum of all counts.
 * The e2e tests join when the operator and its chart are there; see CHANGELOG.md.
 */
import { readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run, runSteps } from './run-steps.ts';

interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

const none: Counts = { passed: 0, failed: 0, skipped: 0 };

/** Runs one of jest's projects. A project that could not run at all counts as one failure. */
async function runProject(name: string): Promise<Counts> {
  console.log(`\n== ${name} tests`);
  const report = join(tmpdir(), `jest-${name}-${process.pid}.json`);
  const jest = ['npm', 'run', '-s', 'jest', '--', '--selectProjects', name] as const;
  // A suite that leaves a socket open must not keep the run from ending.
  const code = await run([...jest, '--forceExit', '--json', `--outputFile=${report}`]);
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

const startedMs = performance.now();
const failedCheck = await runSteps([
  { name: 'types', command: ['npm', 'run', '-s', 'typecheck'] },
  { name: 'architecture', command: ['npm', 'run', '-s', 'arch'] },
]);
if (failedCheck !== undefined) process.exit(1);

const results = [await runProject('unit'), await runProject('component')];
const total = results.reduce((sum, counts) => ({
  passed: sum.passed + counts.passed,
  failed: sum.failed + counts.failed,
  skipped: sum.skipped + counts.skipped,
}));
console.log(`\n== all tests: ${((performance.now() - startedMs) / 60_000).toFixed(1)} min`);
console.log(`tests: ${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exit(total.failed > 0 ? 1 : 0);
