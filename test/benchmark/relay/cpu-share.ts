import { mkdir, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hierarchies } from '../../testbed/cgroups.ts';

/** Short, so that a process that has used its share up stands still only for a moment. */
const periodUs = 20_000;

/**
 * Holds a process to a share of a core, with a control group of its own. Needs root. The group is to be
 * removed with {@link releaseShare} when the process has ended.
 */
export async function holdToShare(pid: number, share: number): Promise<void> {
  const { version, path } = await cpuHierarchy();
  const group = join(path, nameOf(pid));
  const quotaUs = Math.round(share * periodUs);
  await mkdir(group);
  if (version === 2) await writeFile(join(group, 'cpu.max'), `${quotaUs} ${periodUs}`);
  else {
    await writeFile(join(group, 'cpu.cfs_period_us'), String(periodUs));
    await writeFile(join(group, 'cpu.cfs_quota_us'), String(quotaUs));
  }
  await writeFile(join(group, 'cgroup.procs'), String(pid));
}

export async function releaseShare(pid: number): Promise<void> {
  await rmdir(join((await cpuHierarchy()).path, nameOf(pid)));
}

function nameOf(pid: number): string {
  return `proxy-benchmark-${pid}`;
}

async function cpuHierarchy() {
  const all = await hierarchies();
  const isCpu = (path: string) => path.split(/[/,]/).includes('cpu');
  const found =
    all.find(({ version, path }) => version === 1 && isCpu(path)) ??
    all.find(({ version }) => version === 2);
  if (found === undefined) throw new Error('this machine has no control groups for CPU');
  return found;
}
