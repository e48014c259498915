import { describe, expect, test } from '@jest/globals';

import { clusterContext } from '../../test/support/gitaly-cluster.ts';
import { proxyConfig } from './proxy-config.ts';
import { proxyDeployment } from './proxy-deployment.ts';
import { proxyHeadlessService, proxyService } from './proxy-objects.ts';

describe("the proxies' configuration", () => {
  test('names each storage by its pod and reaches it by the headless Service', () => {
    const context = clusterContext({ virtualStorages: [{ name: 'default', storages: 2 }] });
    expect(proxyConfig(context, 'tcp').virtualStorages).toEqual([
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
    const { clientTokenDir, gitalyTokenDir, databaseDir } = proxyConfig(context, 'tcp');
    const [container] = proxyDeployment(context, 'tcp').spec.template.spec.containers;
    const mounts = container?.volumeMounts.map(({ mountPath }) => mountPath) ?? [];
    for (const file of [clientTokenDir, gitalyTokenDir, databaseDir]) {
      expect(mounts.some((mount) => file.startsWith(mount))).toBe(true);
    }
  });
});

describe('the workers of a proxy', () => {
  const configOf = (spec: Parameters<typeof clusterContext>[0]) =>
    proxyConfig(clusterContext(spec), 'tcp');

  test('are as many as the CPU limit has cores, unless the spec says how many', () => {
    const resources = { limits: { cpu: '4' } };
    expect(configOf({ proxy: { resources } }).workers).toBe(4);
    expect(configOf({ proxy: { resources, workers: 2 } }).workers).toBe(2);
  });

  test('are not mentioned where there is one: the proxies need not be replaced for that', () => {
    expect(configOf({})).not.toHaveProperty('workers');
  });

  test('have to be rolled out', () => {
    const templateOf = (workers: number) =>
      proxyDeployment(clusterContext({ proxy: { workers } }), 'tcp').spec.template;
    expect(templateOf(1)).not.toEqual(templateOf(2));
  });
});

describe('the Deployment of the proxies', () => {
  test('is rolled by a change of the configuration, which a proxy reads once', () => {
    const annotationsOf = (storages: number) => {
      const context = clusterContext({ virtualStorages: [{ name: 'default', storages }] });
      return proxyDeployment(context, 'tcp').spec.template.metadata.annotations;
    };
    expect(annotationsOf(3)).toEqual(annotationsOf(3));
    expect(annotationsOf(3)).not.toEqual(annotationsOf(4));
  });

  test("takes the operator's image unless the spec names one", () => {
    const imageOf = (spec: Parameters<typeof clusterContext>[0]) =>
      proxyDeployment(clusterContext(spec), 'tcp').spec.template.spec.containers[0]?.image;
    expect(imageOf({})).toBe('gitaly-operator:1');
    expect(imageOf({ proxy: { image: 'mine:2' } })).toBe('mine:2');
  });

  test('mounts the Secrets that the user brings', () => {
    const context = clusterContext({
      auth: { tokenSecretRef: { name: 'gitlab-token', key: 'gitaly' } },
      database: { secretRef: { name: 'pg-app' } },
    });
    const { volumes } = proxyDeployment(context, 'tcp').spec.template.spec;
    const previous = { key: 'previous-token', path: 'previous-token' };
    expect(volumes).toContainEqual({
      name: 'client-tokens',
      projected: {
        sources: [
          { secret: { name: 'gitlab-token', items: [{ key: 'gitaly', path: 'token' }] } },
          { secret: { name: 'gitlab-token', items: [previous], optional: true } },
        ],
      },
    });
    expect(volumes).toContainEqual({ name: 'database', secret: { secretName: 'pg-app' } });
  });
});

describe('TLS', () => {
  const tls = {
    proxy: { secretRef: { name: 'proxy-tls' } },
    storages: { secretRef: { name: 'storage-tls' } },
  };
  const context = clusterContext({ tls });

  test('of the proxies is a second port, with files that the pod mounts', () => {
    const config = proxyConfig(context, 'tcp');
    expect(config).toMatchObject({ grpcListen: '0.0.0.0:8075', grpcTlsListen: '0.0.0.0:8076' });
    const { containers, volumes } = proxyDeployment(context, 'tcp').spec.template.spec;
    expect(containers[0]?.ports).toContainEqual({
      name: 'grpc-tls',
      containerPort: 8076,
      protocol: 'TCP',
    });
    const mount = containers[0]?.volumeMounts.find(({ name }) => name === 'tls');
    const items = ['tls.crt', 'tls.key'].map((key) => ({ key, path: key }));
    expect(volumes).toContainEqual({ name: 'tls', secret: { secretName: 'proxy-tls', items } });
    expect([config.tls?.certificateFile, config.tls?.keyFile]).toEqual(
      items.map(({ path }) => `${mount?.mountPath}/${path}`),
    );
    for (const service of [proxyService(context), proxyHeadlessService(context)]) {
      expect(service.spec.ports).toContainEqual({
        name: 'tls-gitaly',
        port: 8076,
        targetPort: 'grpc-tls',
      });
    }
  });

  test('of the storages is used from when all of them have it, with the authority of the Secret', () => {
    const before = proxyConfig(context, 'tcp');
    expect(before.storageCaFile).toBeUndefined();
    expect(before.virtualStorages[0]?.storages[0]?.address).toMatch(/^tcp:.*:8075$/);
    const after = proxyConfig(context, 'tls');
    expect(after.virtualStorages[0]?.storages[0]?.address).toBe(
      'tls://gitaly-default-0.gitaly-default.git.svc:8076',
    );
    const { containers, volumes } = proxyDeployment(context, 'tls').spec.template.spec;
    const mount = containers[0]?.volumeMounts.find(({ name }) => name === 'storage-ca');
    expect(after.storageCaFile).toBe(`${mount?.mountPath}/ca.crt`);
    const items = [{ key: 'ca.crt', path: 'ca.crt' }];
    const secret = { secretName: 'storage-tls', items };
    expect(volumes).toContainEqual({ name: 'storage-ca', secret });
  });

  test('is off by default', () => {
    const text = JSON.stringify([
      proxyConfig(clusterContext(), 'tcp'),
      proxyDeployment(clusterContext(), 'tcp'),
      proxyService(clusterContext()),
    ]);
    expect(text).not.toMatch(/tls|8076/i);
  });
});

test('a transition of the clients to tokens is in the configuration', () => {
  const context = clusterContext({ auth: { transitioning: true } });
  expect(proxyConfig(context, 'tcp').clientAuthTransitioning).toBe(true);
});
