/** Everything that can be told without running the product: `npm run check`. */
import { generatedFiles, staleFiles } from './generated-files.ts';
import { run, runSteps } from './run-steps.ts';

const before = await generatedFiles();
const failed = await runSteps([
  { name: 'generated code', command: ['npm', 'run', '-s', 'generate'] },
  { name: 'types', command: ['npm', 'run', '-s', 'typecheck'] },
  { name: 'lint', command: ['npm', 'run', '-s', 'lint'] },
  { name: 'architecture', command: ['npm', 'run', '-s', 'arch'] },
  { name: 'formatting', command: ['npm', 'run', '-s', 'format:check'] },
]);
if (failed !== undefined) process.exit(1);

const stale = staleFiles(before, await generatedFiles());
if (stale.length > 0) {
  console.log(
    `\nGenerated files were out of date. They are new now; commit them:\n  ${stale.join('\n  ')}`,
  );
  await run(['git', '--no-pager', 'diff', '--stat', '--', ...stale]);
  process.exit(1);
}
