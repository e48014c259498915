import { copyFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type ImageArchive, registry } from './base-image.ts';
import { type BuildFolders, type Cache, hashInputs } from './cache.ts';
import { describeImage, type ImageConfig, writeArchive } from './oci-image.ts';
import { run } from './run.ts';
import { type TarEntry, writeTar } from './tar.ts';

/** What pods of the cluster itself run. The names stand in the manifests too. */
export const systemImages = {
  pause: `${registry}/pause:1`,
  busybox: `${registry}/busybox:1`,
  coredns: `${registry}/coredns:1`,
} as const;

/** What holds a pod's namespaces open, and nothing else. */
export const pauseCommand = ['/bin/sleep', '2147483647'] as const;

const busyboxFile = '/bin/busybox';

/** Makes the images of the cluster's own pods, from the machine's static busybox and our CoreDNS. */
export async function buildSystemImages(
  cache: Cache,
  binaries: string,
): Promise<readonly ImageArchive[]> {
  const applets = (await run(busyboxFile, ['--list'])).trim().split('\n');
  const key = hashInputs({ binaries, busybox: await run('sha256sum', [busyboxFile]), layout: '1' });
  const folder = await cache.get('system-images', key, async (folders) => {
    await requireStatic(folders.scratch);
    const busybox = await busyboxEntries(applets);
    await writeImage(folders, 'busybox', busybox, { command: ['sh'] });
    // It only holds the pod's namespaces open; containerd ends it with SIGKILL.
    await writeImage(folders, 'pause', busybox, { entrypoint: pauseCommand });
    await writeImage(folders, 'coredns', await coreDnsEntries(binaries), {
      entrypoint: ['/coredns'],
    });
  });
  return Object.entries(systemImages).map(([image, name]) => {
    return { name, file: join(folder, `${image}.tar`) };
  });
}

/** The other busybox package has the same file, but it needs libraries that the image lacks. */
async function requireStatic(scratch: string): Promise<void> {
  await copyFile(busyboxFile, join(scratch, 'busybox'));
  await run('chroot', [scratch, '/busybox', 'true']).catch(() => {
    throw new Error(`${busyboxFile} is not static: apt-get install busybox-static`);
  });
}

async function busyboxEntries(applets: readonly string[]): Promise<readonly TarEntry[]> {
  const { size } = await stat(busyboxFile);
  return [
    ...['bin', 'etc', 'tmp'].map((path): TarEntry => ({ kind: 'directory', path })),
    { kind: 'copy', path: 'bin/busybox', mode: 0o755, from: busyboxFile, size },
    ...applets
      .filter((applet) => applet !== 'busybox' && applet !== '')
      .map((applet): TarEntry => ({ kind: 'symlink', path: `bin/${applet}`, target: 'busybox' })),
  ];
}

async function coreDnsEntries(binaries: string): Promise<readonly TarEntry[]> {
  const from = join(binaries, 'coredns');
  return [{ kind: 'copy', path: 'coredns', mode: 0o755, from, size: (await stat(from)).size }];
}

async function writeImage(
  { folder, scratch }: BuildFolders,
  image: keyof typeof systemImages,
  entries: readonly TarEntry[],
  config: ImageConfig,
): Promise<void> {
  const path = join(scratch, `${image}-layer.tar`);
  const layer = { path, ...(await writeTar(path, entries)) };
  const file = join(folder, `${image}.tar`);
  await writeArchive(file, systemImages[image], describeImage([layer], config), [layer]);
}
