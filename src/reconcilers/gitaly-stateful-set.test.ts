import { describe, expect, test } from '@jest/globals';

import { clusterContext } from '../../test/support/gitaly-cluster.ts';
import type { GitalyCluster } from '../api/generated/gitaly-cluster.ts';
import type { StatefulSet } from '../api/kubernetes.ts';
import { gitalyStatefulSet } from './gitaly-stateful-set.ts';

function build(spec: Partial<GitalyCluster['spec']> = {}, current?: StatefulSet): StatefulSet {
  const context = clusterContext(spec);
  const [virtualStorage] = context.spec.virtualStorages;
  if (!virtualStorage) throw new Error('no virtual storage');
  return gitalyStatefulSet({ context, virtualStorage, token: 't', current });
}

const storages = (storages: number, more: object = {}) => ({
  virtualStorages: [{ name: 'default', storages, ...more }],
});

describe('the StatefulSet of a virtual storage', () => {
  test('has the same template whatever the number of storages', () => {
    expect(build(storages(3)).spec.template).toEqual(build(storages(9)).spec.template);
    expect(build(storages(9)).spec.replicas).toBe(9);
  });

  test.each([
    ['Retain', undefined],
    ['Retain', 'Retain'],
    ['Delete', 'Delete'],
  ] as const)('on deletion does %s with the volumes under policy %s', (whenDeleted, policy) => {
    const set = build(policy === undefined ? {} : { deletionPolicy: policy });
    expect(set.spec.persistentVolumeClaimRetentionPolicy).toEqual({
      whenDeleted,
      whenScaled: 'Retain',
    });
  });

  test('keeps the claim templates that it was made with, which Kubernetes lets nobody change', () => {
    const before = build(storages(3, { volume: { size: '50Gi', storageClassName: 'fast' } }));
    const after = build(
      storages(3, { volume: { size: '80Gi', storageClassName: 'fast' } }),
      before,
    );
    expect(after.spec.volumeClaimTemplates).toEqual(before.spec.volumeClaimTemplates);
  });

  test('gives Gitaly its own grace and some time to exit', () => {
    const { spec } = build({ gitaly: { image: 'g', gracefulRestartTimeoutSeconds: 25 } });
    expect(spec.template.spec.terminationGracePeriodSeconds).toBe(40);
  });

  test('gives Gitaly a certificate, and the authority of the others beside those of the system', () => {
    const tls = { storages: { secretRef: { name: 'storage-tls' } } };
    const { spec } = build({ tls }).spec.template;
    const [gitaly] = spec.containers;
    expect(gitaly?.env).toContainEqual({
      name: 'SSL_CERT_DIR',
      value: '/etc/gitaly-tls-ca:/etc/ssl/certs:/etc/pki/tls/certs',
    });
    const pathOf = (volume: string) =>
      gitaly?.volumeMounts.find(({ name }) => name === volume)?.mountPath;
    expect([pathOf('tls'), pathOf('tls-authority')]).toEqual([
      '/etc/gitaly-tls',
      '/etc/gitaly-tls-ca',
    ]);
    const secret = (...keys: string[]) => ({
      secretName: 'storage-tls',
      items: keys.map((key) => ({ key, path: key })),
    });
    expect(spec.volumes).toContainEqual({ name: 'tls', secret: secret('tls.crt', 'tls.key') });
    expect(spec.volumes).toContainEqual({ name: 'tls-authority', secret: secret('ca.crt') });
    expect(JSON.stringify(build())).not.toMatch(/tls/i);
  });

  test('mounts the Secret that Gitaly shares with GitLab only if there is a GitLab', () => {
    const secretRef = { name: 'shell', key: 'token' };
    const { spec } = build({ gitlab: { url: 'http://gitlab', secretRef } }).spec.template;
    expect(spec.volumes).toContainEqual({
      name: 'gitlab',
      secret: { secretName: 'shell', items: [{ key: 'token', path: 'secret' }] },
    });
    expect(build().spec.template.spec.volumes?.map(({ name }) => name)).not.toContain('gitlab');
  });

  test("passes the user's placement and resources on", () => {
    const { spec } = build(
      storages(3, {
        nodeSelector: { disk: 'ssd' },
        affinity: { nodeAffinity: {} },
        tolerations: [{ key: 'git' }],
        resources: { limits: { memory: '4Gi' } },
      }),
    ).spec.template;
    expect(spec).toMatchObject({
      nodeSelector: { disk: 'ssd' },
      affinity: { nodeAffinity: {} },
      tolerations: [{ key: 'git' }],
      containers: [{ resources: { limits: { memory: '4Gi' } } }],
    });
    expect(spec.affinity).not.toHaveProperty('podAntiAffinity');
  });
});
