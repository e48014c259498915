import { describe, expect, test } from '@jest/globals';
import { clusterContext } from '../../test/support/gitaly-cluster.ts';
import { podOf } from '../../test/support/observed-cluster.ts';
import type { Pod } from '../api/kubernetes.ts';
import type { ClusterContext } from './cluster-context.ts';
import { storagePart } from './gitaly-objects.ts';
import { gitalyStatefulSet } from './gitaly-stateful-set.ts';
import { storageTransport } from './storage-transport.ts';

const tls = { storages: { secretRef: { name: 'storage-tls' } } };
const virtualStorages = [{ name: 'default', storages: 3 }, { name: 'other' }];
const plain = clusterContext({ virtualStorages });
const encrypted = clusterContext({ virtualStorages, tls });

/** A pod that was made from the template as it is for `madeFor`. */
function podMadeFor(madeFor: ClusterContext, name: string): Pod {
  const virtualStorage = madeFor.spec.virtualStorages.find((one) => name.includes(one.name));
  if (virtualStorage === undefined) throw new Error(`no virtual storage for ${name}`);
  const set = gitalyStatefulSet({
    context: madeFor,
    virtualStorage,
    token: 't',
    current: undefined,
  });
  const pod = podOf(madeFor, name, storagePart(virtualStorage));
  return { ...pod, spec: { ...pod.spec, containers: set.spec.template.spec.containers } };
}

describe('the way from the proxies to the storages', () => {
  test('is plain unless the spec asks for TLS', () => {
    expect(storageTransport(plain, [podMadeFor(encrypted, 'gitaly-default-0')])).toBe('tcp');
  });

  test('has TLS when a cluster begins with it', () => {
    expect(storageTransport(encrypted, [])).toBe('tls');
  });

  test('gets TLS only when the last pod without it is gone, in every virtual storage', () => {
    const names = ['gitaly-default-0', 'gitaly-default-1', 'gitaly-other-0'];
    const old = names.map((name) => podMadeFor(plain, name));
    const renewed = names.map((name) => podMadeFor(encrypted, name));
    for (let count = 0; count < names.length; count++) {
      const pods = [...renewed.slice(0, count), ...old.slice(count)];
      expect(storageTransport(encrypted, pods)).toBe('tcp');
    }
    expect(storageTransport(encrypted, renewed)).toBe('tls');
    const proxyPod = podOf(encrypted, 'gitaly-proxy-0', { component: 'proxy' });
    expect(storageTransport(encrypted, [...renewed, proxyPod])).toBe('tls');
  });
});
