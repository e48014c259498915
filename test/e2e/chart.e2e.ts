import { beforeAll, describe, expect, test } from '@jest/globals';
import { loadAll } from 'js-yaml';
import { operatorNamespace } from '../scenario/product.ts';
import { openCluster, type Cluster } from '../testbed/cluster.ts';
import { silentProgress } from '../testbed/progress.ts';

const account = `system:serviceaccount:${operatorNamespace}:gitaly-operator`;

interface Rendered {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
}

describe('the chart', () => {
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await openCluster(silentProgress);
  }, 240_000);

  /** `kubectl auth can-i` exits with 1 for a no. */
  async function operatorMay(verb: string, what: string, namespace = 'default') {
    const [resource = '', subresource = ''] = what.split(':');
    const question = ['auth', 'can-i', verb, resource, '--subresource', subresource];
    const asked = cluster.kubectl([...question, '--as', account, '-n', namespace]);
    const answer = await asked.catch((error: unknown) => String(error));
    return answer.trim() === 'yes';
  }

  test.each([
    ['patch', 'statefulsets.apps'],
    ['create', 'secrets'],
    ['get', 'secrets'],
    ['patch', 'persistentvolumeclaims'],
    ['delete', 'pods'],
    ['patch', 'gitalyclusters.gitaly.dev:status'],
  ])('lets the operator %s %s', async (verb, resource) => {
    expect(await operatorMay(verb, resource)).toBe(true);
  });

  test.each([
    ['list', 'secrets'],
    ['watch', 'secrets'],
    ['delete', 'secrets'],
    ['delete', 'persistentvolumeclaims'],
    ['delete', 'statefulsets.apps'],
    ['create', 'pods'],
    ['create', 'pods:exec'],
    ['patch', 'gitalyclusters.gitaly.dev'],
    ['create', 'clusterroles.rbac.authorization.k8s.io'],
    ['update', 'leases.coordination.k8s.io'],
  ])('does not let the operator %s %s', async (verb, resource) => {
    expect(await operatorMay(verb, resource)).toBe(false);
  });

  test('lets the operator hold its lease, in its own namespace only', async () => {
    const lease = 'leases.coordination.k8s.io/gitaly-operator';
    expect(await operatorMay('update', lease, operatorNamespace)).toBe(true);
    expect(await operatorMay('update', lease)).toBe(false);
  });

  test('gives rights in the watched namespaces only, if some are named', async () => {
    const render = ['template', 'x', 'charts/gitaly-operator', '--set', 'watchNamespaces={a,b}'];
    const objects = loadAll(await cluster.helm(render)) as (Rendered | null)[];
    const kinds = (kind: string) => objects.filter((object) => object?.kind === kind);
    expect(kinds('ClusterRoleBinding')).toEqual([]);
    expect(kinds('RoleBinding').map((object) => object?.metadata.namespace)).toEqual(
      expect.arrayContaining(['a', 'b']),
    );
  });

  test('refuses values that it does not know', async () => {
    const render = ['template', 'x', 'charts/gitaly-operator', '--set', 'replica=3'];
    await expect(cluster.helm(render)).rejects.toThrow('replica');
  });
});
