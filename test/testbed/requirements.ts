import { access, constants, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { hierarchies } from './cgroups.ts';
import { installCommand, isOnMachine, missingPackages } from './debian-tools.ts';
import { addresses, hostLink } from './addresses.ts';
import { tryRun } from './run.ts';

/** Whether a machine can carry the testbed, and if not, everything that stands in the way. */
export type Requirements =
  { readonly kind: 'ok' } | { readonly kind: 'unsupported'; readonly reasons: readonly string[] };

/** What was found out about a machine. */
export interface MachineFacts {
  /** As node names it: `linux`, `darwin`, ... */
  readonly platform: string;
  /** As node names it: `x64`, `arm64`, ... */
  readonly architecture: string;
  readonly isRoot: boolean;
  /** Whether a network, a mount and a process namespace could be made. */
  readonly hasNamespaces: boolean;
  /** Whether a group could be made in each hierarchy below /sys/fs/cgroup. */
  readonly hasCgroups: boolean;
  /** The version that `go` says, for example `go1.26.8`; undefined if there is none. */
  readonly goVersion: string | undefined;
  /** Whether the Kubernetes binaries are built already, in which case Go isn't needed. */
  readonly hasBinaries: boolean;
  readonly hasApt: boolean;
  /** Debian packages that are not installed. */
  readonly missingPackages: readonly string[];
  /** The folder of the cluster's data, if layers of images can't be mounted over each other there. */
  readonly unfitStateFolder: string | undefined;
  /** Routes of the machine that lie in our address range and are not ours. */
  readonly conflictingRoutes: readonly string[];
}

/** The kernel's number for that file system (linux/magic.h). */
const overlayMagic = 0x794c7630;

/** Major and minor version. */
type GoVersion = readonly [number, number];

/** Kubernetes 1.36 doesn't build with less. */
const leastGo: GoVersion = [1, 26];

/** Judges a machine. All reasons at once, so that a person fixes them in one go. */
export function judge(machine: MachineFacts): Requirements {
  const reasons: string[] = [];
  if (machine.platform !== 'linux') {
    return { kind: 'unsupported', reasons: [`it needs Linux, and this is ${machine.platform}`] };
  }
  if (machine.architecture !== 'x64') {
    reasons.push(`it is made for x64 only, and this is ${machine.architecture}`);
  }
  if (!machine.isRoot) {
    reasons.push('it needs root, for network namespaces and containers: run it with sudo');
  } else {
    if (!machine.hasNamespaces) {
      reasons.push('namespaces can not be made: is this a container without privileges?');
    }
    if (!machine.hasCgroups) {
      reasons.push('/sys/fs/cgroup can not be written: is this a container without privileges?');
    }
  }
  if (!machine.hasBinaries && !isGoRecent(machine.goVersion)) {
    const found =
      machine.goVersion === undefined ? 'there is none' : `this is ${machine.goVersion}`;
    reasons.push(`it needs Go ${leastGo.join('.')} or newer to build Kubernetes, and ${found}`);
  }
  if (machine.missingPackages.length > 0 && !(machine.isRoot && machine.hasApt)) {
    reasons.push(`tools are missing; as root: ${installCommand(machine.missingPackages)}`);
  }
  if (machine.unfitStateFolder !== undefined) {
    reasons.push(
      `${machine.unfitStateFolder} is on an overlay file system, which can't carry another: ` +
        'set TESTBED_STATE to a folder on a disk or volume',
    );
  }
  for (const route of machine.conflictingRoutes) {
    reasons.push(`its addresses (${addresses.all}) are in use here: ${route}`);
  }
  return reasons.length === 0 ? { kind: 'ok' } : { kind: 'unsupported', reasons };
}

/** Whether a version such as `go1.26.8` is new enough: for Kubernetes, unless told otherwise. */
export function isGoRecent(version: string | undefined, least = leastGo): boolean {
  const parts = /^go(\d+)\.(\d+)/.exec(version ?? '');
  if (parts === null) return false;
  const [major, minor] = [Number(parts[1]), Number(parts[2])];
  return major > least[0] || (major === least[0] && minor >= least[1]);
}

/** The lines of `ip route` that meet 198.18.0.0/15, without our own. */
export function conflictsAmong(routes: string): readonly string[] {
  return routes
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => /^198\.1[89]\./.test(line) && !line.includes(`dev ${hostLink}`));
}

/** Looks at this machine. Changes nothing that it doesn't undo at once. */
export async function requirements(state: string, hasBinaries: boolean): Promise<Requirements> {
  const isRoot = process.getuid?.() === 0;
  const linux = process.platform === 'linux';
  return judge({
    platform: process.platform,
    architecture: process.arch,
    isRoot,
    hasNamespaces: linux && isRoot && (await canUnshare()),
    hasCgroups: linux && isRoot && (await canWriteCgroups()),
    goVersion: await goVersion(),
    hasBinaries,
    hasApt: await isOnMachine('apt-get'),
    missingPackages: linux ? await missingPackages() : [],
    unfitStateFolder: linux && (await isOverlay(state)) ? state : undefined,
    conflictingRoutes: linux ? conflictsAmong(await routes()) : [],
  });
}

/** The version of the Go in PATH, for example `go1.26.8`; undefined if there is none. */
export async function goVersion(): Promise<string | undefined> {
  const result = await tryRun('go', ['env', 'GOVERSION']).catch(() => undefined);
  return result?.status === 0 ? result.stdout.trim() : undefined;
}

async function canUnshare(): Promise<boolean> {
  const namespaces = ['--net', '--mount', '--pid', '--fork'];
  const result = await tryRun('unshare', [...namespaces, 'true']).catch(() => undefined);
  return result?.status === 0;
}

async function canWriteCgroups(): Promise<boolean> {
  const mounted = await hierarchies();
  const checks = mounted.map(({ path }) =>
    access(path, constants.W_OK).then(
      () => true,
      () => false,
    ),
  );
  return mounted.length > 0 && !(await Promise.all(checks)).includes(false);
}

/** Whether a folder, or the nearest one above it that exists, is on an overlay file system. */
async function isOverlay(folder: string): Promise<boolean> {
  const found = await statfs(folder).catch(() => undefined);
  if (found === undefined) return isOverlay(dirname(folder));
  return found.type === overlayMagic;
}

async function routes(): Promise<string> {
  const result = await tryRun('ip', ['-4', 'route', 'show']).catch(() => undefined);
  return result?.stdout ?? '';
}
