import { describe, expect, test } from '@jest/globals';

import { clusterContext } from '../../test/support/gitaly-cluster.ts';
import { proxyConfig } from './proxy-config.ts';
import { proxyDeployment } from './proxy-deployment.ts';

describe("the proxies' configuration", () => {
  test('names each storage by its pod and reaches it by the headless Service', () => {
    const context = clusterContext({ virtualStorages: [{ name: 'default', storages: 2 }] });
    expect(proxyConfig(context).virtualStorages).toEqual([
      {
        name: 'default',
        replicationFactor: 2,
        minInSyncReplicas: 1,
        storages: [
          {
            name: 'gitaly-default-0',
            address: 'tcp://gitaly-default-0.gitaly-default.git.svc:8075',
          },
          {
            name: 'gitaly-default-1',
            address: 'tcp://gitaly-default-1.gitaly-default.git.svc:8075',
          },
        ],
      },
    ]);
  });

  test('names only files that the pod mounts', () => {
    const context = clusterContext();
    const { clientTokenDir, gitalyTokenFile, databaseDir } = proxyConfig(context);
    const [container] = proxyDeployment(context).spec.template.spec.containers;
    const mounts = container?.volumeMounts.map(({ mountPath }) => mountPath) ?? [];
    for (const file of [clientTokenDir, gitalyTokenFile, databaseDir]) {
      expect(mounts.some((mount) => file.startsWith(mount))).toBe(true);
    }
  });
});

describe('the Deployment of the proxies', () => {
  test('is rolled by a change of the configuration, which a proxy reads once', () => {
    const annotationsOf = (storages: number) => {
      const context = clusterContext({ virtualStorages: [{ name: 'default', storages }] });
      return proxyDeployment(context).spec.template.metadata.annotations;
    };
    expect(annotationsOf(3)).toEqual(annotationsOf(3));
    expect(annotationsOf(3)).not.toEqual(annotationsOf(4));
  });

  test("takes the operator's image unless the spec names one", () => {
    const imageOf = (spec: Parameters<typeof clusterContext>[0]) =>
      proxyDeployment(clusterContext(spec)).spec.template.spec.containers[0]?.image;
    expect(imageOf({})).toBe('gitaly-operator:1');
    expect(imageOf({ proxy: { image: 'mine:2' } })).toBe('mine:2');
  });

  test('mounts the Secrets that the user brings', () => {
    const context = clusterContext({
      auth: { tokenSecretRef: { name: 'gitlab-token', key: 'gitaly' } },
      database: { secretRef: { name: 'pg-app' } },
    });
    const { volumes } = proxyDeployment(context).spec.template.spec;
    expect(volumes).toContainEqual({
      name: 'client-tokens',
      secret: { secretName: 'gitlab-token', items: [{ key: 'gitaly', path: 'token' }] },
    });
    expect(volumes).toContainEqual({ name: 'database', secret: { secretName: 'pg-app' } });
  });
});
