import { describe, expect, it } from '@jest/globals';
import { clusterRequirements, imagesFromEnvironment, openCluster } from './cluster.ts';
import { silentProgress } from './progress.ts';

describe('an existing cluster', () => {
  const complete = {
    IMAGE_OPERATOR: 'registry.example/operator:1',
    IMAGE_STORAGE_NODE: 'registry.example/storage-node:1',
    IMAGE_POSTGRES: 'postgres:18',
  };

  it('gets its images from the environment', () => {
    expect(imagesFromEnvironment(complete)).toEqual({
      operator: 'registry.example/operator:1',
      gitaly: 'registry.example/storage-node:1',
      nextOperator: 'registry.example/operator:1',
      nextGitaly: 'registry.example/storage-node:1',
      storageNode: 'registry.example/storage-node:1',
      postgres: 'postgres:18',
    });
  });

  it('is upgraded to the images that the environment names', () => {
    const next = { IMAGE_NEXT_OPERATOR: 'operator:2', IMAGE_NEXT_GITALY: 'gitaly:2' };
    expect(imagesFromEnvironment({ ...complete, ...next })).toMatchObject({
      nextOperator: 'operator:2',
      nextGitaly: 'gitaly:2',
    });
  });

  it('runs the Gitaly that the environment names', () => {
    const images = imagesFromEnvironment({
      ...complete,
      IMAGE_GITALY: 'registry.example/gitaly:1',
    });
    expect(images).toMatchObject({
      gitaly: 'registry.example/gitaly:1',
      storageNode: 'registry.example/storage-node:1',
    });
  });

  it('is refused as long as an image is missing, and the error names it', () => {
    expect(() => imagesFromEnvironment({ ...complete, IMAGE_POSTGRES: '' })).toThrow(
      'IMAGE_POSTGRES',
    );
  });

  it('is what KUBECONFIG asks for', async () => {
    const opening = openCluster(silentProgress, { KUBECONFIG: '/some/config' });
    await expect(opening).rejects.toThrow('IMAGE_OPERATOR, IMAGE_STORAGE_NODE, IMAGE_POSTGRES');
  });

  it('is taken at its word about what it can carry', async () => {
    expect(await clusterRequirements({ KUBECONFIG: '/some/config' })).toEqual({ kind: 'ok' });
  });
});
