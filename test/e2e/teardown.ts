import { testbedPaths } from '../testbed/paths.ts';
import { lineProgress } from '../testbed/progress.ts';
import { leftovers } from '../testbed/teardown.ts';
import { down } from '../testbed/up.ts';
import { keepTestbed } from './setup.ts';

/** Removes the testbed, unless it was there before or KUBECONFIG names another cluster. */
export default async function tearDown(): Promise<void> {
  if (process.env[keepTestbed] || process.env['KUBECONFIG']) return;
  const paths = testbedPaths();
  const progress = lineProgress((line) => process.stderr.write(line));
  await progress.during('removing the testbed', () => down({ paths, progress }));
  const left = await leftovers(paths);
  if (left.length > 0) throw new Error(`the testbed has left behind:\n${left.join('\n')}`);
}
