import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { archiveEntries, describeImage } from './oci-image.ts';
import type { TarEntry } from './tar.ts';

const base = { digest: `sha256:${'a'.repeat(64)}`, size: 10 };
const application = { digest: `sha256:${'b'.repeat(64)}`, size: 20 };
const layers = [base, application];

const sha256 = (bytes: Buffer) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
const parse = (bytes: Buffer): Record<string, unknown> => JSON.parse(bytes.toString());

describe('an image', () => {
  it('has a manifest that names its configuration and its layers from the bottom up', () => {
    const image = describeImage(layers, {});
    expect(image.digest).toBe(sha256(image.manifest));
    expect(parse(image.manifest)).toMatchObject({
      schemaVersion: 2,
      config: { digest: sha256(image.config), size: image.config.length },
      layers,
    });
    expect(parse(image.config)).toMatchObject({
      rootfs: { type: 'layers', diff_ids: [base.digest, application.digest] },
    });
  });

  it('is the same for the same parts and another for others', () => {
    const digest = (user: string) => describeImage(layers, { user }).digest;
    expect(digest('1000')).toBe(digest('1000'));
    expect(digest('1000')).not.toBe(digest('999'));
    expect(describeImage([base], {}).digest).not.toBe(describeImage(layers, {}).digest);
  });

  it('says how a container of it is started', () => {
    const image = describeImage(layers, {
      user: '1000:1000',
      entrypoint: ['node'],
      command: ['main.js'],
      workingDirectory: '/app',
      environment: { HOME: '/home/git', PATH: '/only' },
      labels: { 'org.opencontainers.image.version': '2' },
    });
    expect(parse(image.config)['config']).toEqual({
      User: '1000:1000',
      Entrypoint: ['node'],
      Cmd: ['main.js'],
      WorkingDir: '/app',
      Env: ['PATH=/only', 'HOME=/home/git'],
      Labels: { 'org.opencontainers.image.version': '2' },
    });
  });
});

describe('the archive of an image', () => {
  const image = describeImage(layers, {});
  const name = 'registry.example/app:1';
  const contentOf = (entries: readonly TarEntry[], path: string): Buffer => {
    const entry = entries.find((it) => it.path === path);
    if (entry?.kind !== 'file') throw new Error(`no file ${path}`);
    return Buffer.from(entry.content);
  };

  it('leads from the index to the manifest under the name that it is imported as', () => {
    const entries = archiveEntries(name, image, []);
    expect(parse(contentOf(entries, 'index.json'))).toMatchObject({
      manifests: [{ digest: image.digest, annotations: { 'io.containerd.image.name': name } }],
    });
    const path = `blobs/${image.digest.replace(':', '/')}`;
    expect(contentOf(entries, path)).toEqual(image.manifest);
  });

  it('holds only the layers that it should', () => {
    const entries = archiveEntries(name, image, [{ ...application, path: '/layer.tar' }]);
    const copies = entries.filter((entry) => entry.kind === 'copy');
    expect(copies).toEqual([
      { kind: 'copy', path: `blobs/sha256/${'b'.repeat(64)}`, from: '/layer.tar', size: 20 },
    ]);
  });
});
