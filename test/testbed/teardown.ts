import { readdir, readFile, rm, rmdir } from 'node:fs/promises';
import { addresses } from './addresses.ts';
import { ourGroups, removeGroups } from './cgroups.ts';
import { ourNamespaces, processesIn, removeNetwork } from './network.ts';
import { type Paths, stateLayout } from './paths.ts';
import { killAndWait, Processes, recordOf } from './processes.ts';
import { waitUntil } from './progress.ts';
import { run, tryRun } from './run.ts';

const killLimitMs = 120_000;

/**
 * Removes all that a testbed is made of, from whatever state it is in; nothing needs to be there.
 *
 * 1. Kill the recorded processes. A node's launcher takes the node's processes with it.
 * 2. Kill what is left in our network namespaces: started by an `up` that died before it could
 *    record it. Namespaces are found by name, so this needs no state folder.
 * 3. Remove namespaces with their links and routes, control groups, and the state folder.
 */
export async function tearDown(paths: Paths): Promise<void> {
  const layout = stateLayout(paths.state);
  const processes = new Processes(layout.processes, layout.logs);
  const names = await processes.names();
  await Promise.all(names.map((name) => processes.kill(name)));

  await waitUntil('the end of all processes', { limitMs: killLimitMs }, async () => {
    const pids = await Promise.all((await ourNamespaces()).map(processesIn));
    const records = (await Promise.all(pids.flat().map(recordOf))).filter((it) => it !== undefined);
    await Promise.all(records.map(killAndWait));
    return records.length === 0;
  });

  await removeNetwork();
  await removeGroups();
  await unmountBelow(paths.state);
  await rm(paths.state, { recursive: true, force: true });
  await removeNamespaceFolder();
}

/** What a testbed has left behind; nothing after {@link tearDown}. For people and tests. */
export async function leftovers(paths: Paths): Promise<readonly string[]> {
  const routes = await tryRun('ip', ['-4', 'route', 'show', 'root', addresses.all]);
  return [
    ...(await ourNamespaces()).map((name) => `network namespace ${name}`),
    ...routes.stdout
      .split('\n')
      .filter(Boolean)
      .map((route) => `route ${route.trim()}`),
    ...(await ourGroups()).map((path) => `control group ${path}`),
    ...(await mountsBelow(paths.state)).map((path) => `mount ${path}`),
    ...(await readdir(paths.state).catch(() => [])).map((file) => `file ${paths.state}/${file}`),
  ];
}

/** Nodes mount in namespaces of their own; this is a safeguard before files are removed. */
async function unmountBelow(folder: string): Promise<void> {
  for (const path of (await mountsBelow(folder)).toReversed()) await run('umount', ['-l', path]);
}

async function mountsBelow(folder: string): Promise<readonly string[]> {
  const mountinfo = await readFile('/proc/self/mountinfo', 'utf8');
  return mountinfo
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((path) => path === folder || path.startsWith(`${folder}/`));
}

/** The first `ip netns add` of a machine mounts this folder over itself. */
async function removeNamespaceFolder(): Promise<void> {
  const folder = '/run/netns';
  const entries = await readdir(folder).catch(() => undefined);
  if (entries === undefined || entries.length > 0) return;
  await tryRun('umount', [folder]);
  await rmdir(folder).catch(() => {});
}
