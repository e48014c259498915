import { createHash } from 'node:crypto';
import { type Blob, type TarEntry, writeTar } from './tar.ts';

/** How a container of an image is started (a part of the OCI image configuration). */
export interface ImageConfig {
  /** `uid` or `uid:gid`; default root. */
  readonly user?: string;
  readonly entrypoint?: readonly string[];
  readonly command?: readonly string[];
  readonly workingDirectory?: string;
  /** Besides PATH. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
}

/** An image by its content: its two documents, and the layers that they name. */
export interface Image {
  readonly layers: readonly Blob[];
  readonly config: Buffer;
  readonly manifest: Buffer;
  /** Of the manifest: what the image as a whole is known by. */
  readonly digest: string;
}

/** A layer's content, an uncompressed tar file. */
export interface LayerFile extends Blob {
  readonly path: string;
}

const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const platform = { os: 'linux', architecture: 'amd64' } as const;

const mediaTypes = {
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar',
} as const;

/** Puts an image together (OCI image specification 1.0): equal parts give equal digests. */
export function describeImage(layers: readonly Blob[], options: ImageConfig): Image {
  const environment = { PATH: path, ...options.environment };
  const config = json({
    ...platform,
    created: '1970-01-01T00:00:00Z',
    config: {
      Env: Object.entries(environment).map(([name, value]) => `${name}=${value}`),
      WorkingDir: options.workingDirectory ?? '/',
      ...(options.user !== undefined && { User: options.user }),
      ...(options.entrypoint && { Entrypoint: options.entrypoint }),
      ...(options.command && { Cmd: options.command }),
      ...(options.labels && { Labels: options.labels }),
    },
    // Layers are not compressed, so that a layer's digest is also that of its content.
    rootfs: { type: 'layers', diff_ids: layers.map((layer) => layer.digest) },
  });
  const manifest = json({
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config: { mediaType: mediaTypes.config, ...blobOfBytes(config) },
    layers: layers.map(({ digest, size }) => ({ mediaType: mediaTypes.layer, digest, size })),
  });
  return { layers, config, manifest, digest: blobOfBytes(manifest).digest };
}

/**
 * The members of an archive (OCI image layout 1.0) that `ctr images import` takes as `name`.
 * `included` are the layers whose content is in it; the others must be in the importing
 * containerd already, which makes an archive of a rebuilt product small.
 */
export function archiveEntries(
  name: string,
  image: Image,
  included: readonly LayerFile[],
): readonly TarEntry[] {
  const index = {
    schemaVersion: 2,
    manifests: [
      {
        mediaType: mediaTypes.manifest,
        ...blobOfBytes(image.manifest),
        platform,
        annotations: { 'io.containerd.image.name': name },
      },
    ],
  };
  return [
    { kind: 'file', path: 'oci-layout', content: json({ imageLayoutVersion: '1.0.0' }) },
    { kind: 'file', path: 'index.json', content: json(index) },
    { kind: 'directory', path: 'blobs' },
    { kind: 'directory', path: 'blobs/sha256' },
    ...[image.config, image.manifest].map((content): TarEntry => {
      return { kind: 'file', path: blobPath(blobOfBytes(content).digest), content };
    }),
    ...included.map((layer): TarEntry => {
      return { kind: 'copy', path: blobPath(layer.digest), from: layer.path, size: layer.size };
    }),
  ];
}

/** Writes such an archive. */
export async function writeArchive(
  file: string,
  name: string,
  image: Image,
  included: readonly LayerFile[],
): Promise<void> {
  await writeTar(file, archiveEntries(name, image, included));
}

function blobPath(digest: string): string {
  return `blobs/${digest.replace(':', '/')}`;
}

function blobOfBytes(bytes: Buffer): Blob {
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  return { digest, size: bytes.length };
}

function json(value: object): Buffer {
  return Buffer.from(JSON.stringify(value));
}
