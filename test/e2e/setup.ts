import { openCluster } from '../testbed/cluster.ts';
import { lineProgress } from '../testbed/progress.ts';
import { findTestbed } from '../testbed/up.ts';
import { testbedPaths } from '../testbed/paths.ts';
import { installOperator } from '../scenario/product.ts';

/** Set if the testbed was there before the tests, and so has to be there after them. */
export const keepTestbed = 'E2E_KEEP_TESTBED';

/** Brings the cluster up and installs the operator, once for all files. */
export default async function setUp(): Promise<void> {
  const progress = lineProgress((line) => process.stderr.write(line));
  const before = await findTestbed({ paths: testbedPaths(), progress });
  if (before !== undefined) process.env[keepTestbed] ??= '1';
  const cluster = await openCluster(progress);
  await progress.during('installing the operator', () => installOperator(cluster));
}
