import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { imageNode, imageNodeVersion } from '../support/image-node.ts';
import { type BuildFolders, type Cache, hashInputs } from './cache.ts';
import { describeImage, type LayerFile, writeArchive } from './oci-image.ts';
import type { Progress } from './progress.ts';
import { runSealed } from './run.ts';
import { type Blob, blobOf, writeTar } from './tar.ts';

/** An archive that can be imported into a node, and the name that it gets there. */
export interface ImageArchive {
  readonly name: string;
  readonly file: string;
}

/** What the product's images stand on: Debian with git, and node. */
export interface BaseImage extends ImageArchive {
  readonly layers: readonly Blob[];
}

/** The registry that all our images seem to come from. Its domain (RFC 2606) belongs to no one. */
export const registry = 'registry.testbed.example';

const suite = 'bookworm';

const packages = [
  'ca-certificates',
  'git',
  'libatomic1', // node is linked to it, and to the next one
  'libstdc++6',
  'postgresql-client', // pg_isready, for probes that expect it of a PostgreSQL image
  'tini',
] as const;

const users = [
  { name: 'postgres', id: 999, home: '/var/lib/postgresql' },
  { name: 'git', id: 1000, home: '/home/git' },
  { name: 'nonroot', id: 65532, home: '/home/nonroot' },
] as const;

const unneeded = [
  '/usr/share/man/*',
  '/usr/share/doc/*',
  '/usr/share/locale/*',
  '/usr/share/info/*',
];

const bootstrapLimitMs = 15 * 60_000;

/**
 * The base image, made without a registry: Debian by mmdebstrap, and over it the node program
 * of the product's image. Built once for each version of node and of this file's choices.
 * TESTBED_DEBIAN_MIRROR names another source of packages than deb.debian.org.
 */
export async function baseImage(cache: Cache, progress: Progress): Promise<BaseImage> {
  const key = hashInputs({
    choices: JSON.stringify([suite, packages, users, unneeded]),
    node: await imageNodeVersion(),
    arch: process.arch,
    archive: '1',
  });
  const name = `${registry}/base:${key}`;
  let last = '';
  const onErrorLine = (line: string) => {
    last = line;
  };
  const folder = await cache.get('base-image', key, (folders) =>
    progress.during(
      'the base image (mmdebstrap)',
      () => buildBase(folders, name, onErrorLine),
      () => last,
    ),
  );
  const layers = JSON.parse(await readFile(join(folder, 'layers.json'), 'utf8')) as Blob[];
  return { name, file: join(folder, 'image.tar'), layers };
}

async function buildBase(
  { folder, scratch }: BuildFolders,
  name: string,
  onErrorLine: (line: string) => void,
): Promise<void> {
  const debian = join(scratch, 'debian.tar');
  const node = await imageNode();
  await bootstrap(debian, node, scratch, onErrorLine);
  const debianLayer: LayerFile = { path: debian, ...(await blobOf(debian)) };
  const nodeLayer = await layOutNode(node, scratch);
  const layers = [debianLayer, nodeLayer];
  await writeArchive(join(folder, 'image.tar'), name, describeImage(layers, {}), layers);
  const blobs: Blob[] = layers.map(({ digest, size }) => ({ digest, size }));
  await writeFile(join(folder, 'layers.json'), JSON.stringify(blobs));
}

async function bootstrap(
  out: string,
  node: string,
  scratch: string,
  onErrorLine: (line: string) => void,
): Promise<void> {
  const mirror = process.env['TESTBED_DEBIAN_MIRROR'];
  const accounts = users.flatMap(({ name, id, home }) => [
    `--customize-hook=echo "${name}:x:${id}:${id}::${home}:/bin/sh" >> "$1/etc/passwd"`,
    `--customize-hook=echo "${name}:x:${id}:" >> "$1/etc/group"`,
    `--customize-hook=install -d -o ${id} -g ${id} "$1${home}"`,
  ]);
  await runSealed(
    'mmdebstrap',
    [
      '--mode=root',
      '--variant=minbase',
      `--include=${packages.join(',')}`,
      ...unneeded.map((glob) => `--dpkgopt=path-exclude=${glob}`),
      ...accounts,
      // The node that goes on top must run in it: better to learn of it here than in a pod.
      `--customize-hook=cp ${node} "$1/node" && chroot "$1" /node --version && rm "$1/node"`,
      suite,
      out,
      ...(mirror === undefined ? [] : [mirror]),
    ],
    { limitMs: bootstrapLimitMs, env: { SOURCE_DATE_EPOCH: '0', TMPDIR: scratch }, onErrorLine },
  );
}

async function layOutNode(node: string, scratch: string): Promise<LayerFile> {
  const { size } = await stat(node);
  const tar = join(scratch, 'node.tar');
  const blob = await writeTar(tar, [
    { kind: 'copy', path: 'usr/local/bin/node', mode: 0o755, from: node, size },
  ]);
  return { path: tar, ...blob };
}
