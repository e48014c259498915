import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { run } from './run.ts';
import type { Progress } from './progress.ts';

/** Something that the machine must have, and the Debian package that brings it. */
interface Tool {
  /** Any of these files will do; a name without a slash is looked for in PATH. */
  readonly anyOf: readonly string[];
  readonly debianPackage: string;
}

/** Where CNI plugins may lie: Debian's folder, and the one that others use. */
export const cniFolders = ['/usr/lib/cni', '/opt/cni/bin'] as const;

const tools: readonly Tool[] = [
  { anyOf: ['containerd'], debianPackage: 'containerd' },
  { anyOf: ['ctr'], debianPackage: 'containerd' },
  { anyOf: ['runc'], debianPackage: 'runc' },
  {
    anyOf: cniFolders.map((folder) => join(folder, 'ptp')),
    debianPackage: 'containernetworking-plugins',
  },
  { anyOf: ['ip'], debianPackage: 'iproute2' },
  { anyOf: ['nft'], debianPackage: 'nftables' },
  { anyOf: ['iptables'], debianPackage: 'iptables' },
  { anyOf: ['conntrack'], debianPackage: 'conntrack' },
  { anyOf: ['sysctl'], debianPackage: 'procps' },
  { anyOf: ['mount'], debianPackage: 'mount' },
  { anyOf: ['nsenter'], debianPackage: 'util-linux' },
  { anyOf: ['unshare'], debianPackage: 'util-linux' },
  { anyOf: ['setpriv'], debianPackage: 'util-linux' },
  { anyOf: ['bash'], debianPackage: 'bash' },
  { anyOf: ['openssl'], debianPackage: 'openssl' },
  { anyOf: ['git'], debianPackage: 'git' },
  { anyOf: ['unzip'], debianPackage: 'unzip' },
  { anyOf: ['mmdebstrap'], debianPackage: 'mmdebstrap' },
  {
    anyOf: ['/usr/share/keyrings/debian-archive-keyring.gpg'],
    debianPackage: 'debian-archive-keyring',
  },
  { anyOf: ['/bin/busybox'], debianPackage: 'busybox-static' },
];

/** The Debian packages, sorted, whose tools `exists` doesn't find. */
export async function missingPackages(
  exists: (file: string) => Promise<boolean> = isOnMachine,
): Promise<readonly string[]> {
  const missing = new Set<string>();
  for (const { anyOf, debianPackage } of tools) {
    const found = await Promise.all(anyOf.map((file) => exists(file)));
    if (!found.includes(true)) missing.add(debianPackage);
  }
  return [...missing].sort();
}

/** The command that a person can run to install packages. */
export function installCommand(packages: readonly string[]): string {
  return `apt-get update && apt-get install --no-install-recommends ${packages.join(' ')}`;
}

/** Installs what is missing with apt-get. Expects root, and the machine to be Debian or its kin. */
export async function installMissing(progress: Progress): Promise<void> {
  const missing = await missingPackages();
  if (missing.length === 0) return;
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  await progress.during(`apt-get install ${missing.join(' ')}`, async () => {
    await run('apt-get', ['update', '-q'], { limitMs: 180_000 });
    const install = ['install', '-q', '-y', '--no-install-recommends', ...missing];
    await run('apt-get', install, { limitMs: 600_000, env });
  });
}

/** Whether a file exists; one named without a slash may be in any folder of PATH. */
export async function isOnMachine(file: string): Promise<boolean> {
  const folders = file.includes('/')
    ? ['']
    : [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  for (const folder of folders) {
    const found = await access(join(folder || '/', file), constants.F_OK).then(
      () => true,
      () => false,
    );
    if (found) return true;
  }
  return false;
}
