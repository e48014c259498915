import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { waitUntil } from './progress.ts';
import { pauseCommand } from './system-images.ts';

/** The group, in every hierarchy, below which all groups of a testbed lie. */
const group = 'gitaly-testbed';

/** The controllers that kubelet wants of its root group, if the kernel has them. */
const controllers = ['cpuset', 'cpu', 'io', 'memory', 'hugetlb', 'pids'] as const;

const removeLimitMs = 60_000;

/** A mounted hierarchy of control groups. */
export interface Hierarchy {
  readonly version: 1 | 2;
  readonly path: string;
}

/**
 * The hierarchies in /proc/self/mountinfo (proc(5)): several of version 1, one of version 2, or,
 * on machines between the two, both.
 */
export function parseHierarchies(mountinfo: string): readonly Hierarchy[] {
  return mountinfo.split('\n').flatMap((line): Hierarchy[] => {
    const fields = line.split(' ');
    const path = fields[4] ?? '';
    if (!path.startsWith('/sys/fs/cgroup')) return [];
    // Optional fields end at a dash; the type of file system follows it.
    const type = fields[fields.indexOf('-') + 1];
    if (type === 'cgroup2') return [{ version: 2, path }];
    return type === 'cgroup' ? [{ version: 1, path }] : [];
  });
}

/** The hierarchies of this machine. */
export async function hierarchies(): Promise<readonly Hierarchy[]> {
  return parseHierarchies(await readFile('/proc/self/mountinfo', 'utf8'));
}

/** The name of a node's group, as kubelet's `cgroupRoot` has it. */
export function nodeGroup(node: string): string {
  return `/${group}/${node}`;
}

/** Makes a node's group in every hierarchy. */
export async function createNodeGroup(node: string): Promise<void> {
  for (const { version, path } of await hierarchies()) {
    const parent = join(path, group);
    const child = join(parent, node);
    if (version === 2) {
      await delegate(path);
      await mkdir(parent, { recursive: true });
      await delegate(parent);
      await mkdir(child, { recursive: true });
      await delegate(child);
    } else {
      await mkdir(child, { recursive: true });
      await inheritCpuset(path, parent);
      await inheritCpuset(parent, child);
    }
  }
}

/**
 * Removes a node's groups, which must hold no process any more. Groups of dead containers would
 * not survive a reboot, and kubelet loses seconds over each that it finds.
 */
export function removeNodeGroup(node: string): Promise<void> {
  return removeBelow(nodeGroup(node));
}

/** Removes all groups of the testbed, which must hold no process any more. */
export function removeGroups(): Promise<void> {
  return removeBelow(group);
}

/**
 * The numbers, on this machine, of all processes in a pod's containers. `uid` is the pod's; without one, of
 * all pods on the node. The process that only holds a pod's namespaces is not among them.
 */
export async function podProcesses(node: string, uid?: string): Promise<readonly number[]> {
  for (const { path } of await hierarchies()) {
    const pids = await processesBelow(join(path, nodeGroup(node)), `pod${uid ?? ''}`, false);
    const holder = pauseCommand.join(' ');
    const commands = await Promise.all(pids.map(commandOf));
    if (pids.length > 0) return pids.filter((_, index) => commands[index] !== holder);
  }
  return [];
}

/** The processes of a group and those below it, if its name or that of one around it begins so. */
async function processesBelow(
  path: string,
  prefix: string,
  isInside: boolean,
): Promise<readonly number[]> {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => []);
  const text = isInside ? await readFile(join(path, 'cgroup.procs'), 'utf8').catch(() => '') : '';
  const below = await Promise.all(
    entries
      .filter((entry) => entry.isDirectory())
      .map(({ name }) =>
        processesBelow(join(path, name), prefix, isInside || name.startsWith(prefix)),
      ),
  );
  const own = text.split('\n').filter((line) => line !== '');
  return [...own.map(Number), ...below.flat()];
}

async function commandOf(pid: number): Promise<string> {
  const text = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return text.replace(/\0$/, '').replaceAll('\0', ' ');
}

async function removeBelow(path: string): Promise<void> {
  for (const hierarchy of await hierarchies()) {
    const top = join(hierarchy.path, path);
    // A process that has just ended keeps its group busy for a moment.
    await waitUntil(`the end of ${top}`, { limitMs: removeLimitMs }, () => removeTree(top));
  }
}

/** The testbed's groups that there are. */
export async function ourGroups(): Promise<readonly string[]> {
  const tops = (await hierarchies()).map(({ path }) => join(path, group));
  const exists = await Promise.all(
    tops.map((top) =>
      readdir(top).then(
        () => true,
        () => false,
      ),
    ),
  );
  return tops.filter((_, index) => exists[index]);
}

/** Removes a group and those below it, children first; false if some are busy. */
async function removeTree(path: string): Promise<boolean> {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => undefined);
  if (entries === undefined) return true;
  for (const entry of entries) {
    if (entry.isDirectory() && !(await removeTree(join(path, entry.name)))) return false;
  }
  return rmdir(path).then(
    () => true,
    (failure: NodeJS.ErrnoException) => failure.code === 'ENOENT',
  );
}

/** Version 2: what a group doesn't pass on, its children can't have. */
async function delegate(path: string): Promise<void> {
  const available = (await readFile(join(path, 'cgroup.controllers'), 'utf8')).trim().split(' ');
  for (const controller of controllers) {
    if (!available.includes(controller)) continue;
    await writeFile(join(path, 'cgroup.subtree_control'), `+${controller}`);
  }
}

/** Version 1: a new cpuset is empty, and nothing may run in it until it is filled. */
async function inheritCpuset(parent: string, child: string): Promise<void> {
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    const value = await readFile(join(parent, file), 'utf8').catch(() => undefined);
    if (value !== undefined) await writeFile(join(child, file), value.trim());
  }
}
