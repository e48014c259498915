import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { loadAll } from 'js-yaml';
import { addresses } from '../addresses.ts';
import { systemImages } from '../system-images.ts';

const read = (name: string) => readFileSync(new URL(name, import.meta.url), 'utf8');
const files = ['dns.yaml', 'storage.yaml', 'volume-helper-pod.yaml'];

describe('the manifests of the cluster itself', () => {
  it('use only images that every node has', () => {
    const images = files.flatMap((file) => read(file).match(/(?<=image: )\S+/g) ?? []);
    expect(images).toHaveLength(2);
    for (const image of images) expect(Object.values(systemImages)).toContain(image);
  });

  it('put DNS where kubelet tells pods that it is', () => {
    expect(loadAll(read('dns.yaml'))).toContainEqual(
      expect.objectContaining({
        kind: 'Service',
        spec: expect.objectContaining({ clusterIP: addresses.dnsService }),
      }),
    );
  });

  it('make one storage class, and that the default', () => {
    const classes = loadAll(read('storage.yaml')).filter(
      (object) => (object as { readonly kind: string }).kind === 'StorageClass',
    );
    expect(classes).toEqual([
      expect.objectContaining({
        metadata: expect.objectContaining({
          annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' },
        }),
        reclaimPolicy: 'Delete',
      }),
    ]);
  });
});
