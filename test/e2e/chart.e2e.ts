import { beforeAll, describe, expect, test } from '@jest/globals';
import { loadAll } from 'js-yaml';
import { operatorNamespace } from '../scenario/product.ts';
import { openCluster, type Cluster } from '../testbed/cluster.ts';
import { silentProgress } from '../testbed/progress.ts';
import { hangLimitMs } from './hang-limit.ts';

const account = `system:serviceaccount:${operatorNamespace}:gitaly-operator`;

interface Rendered {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  /** Of a role. */
  readonly rules?: readonly { readonly resources: readonly string[]; readonly verbs: string[] }[];
}

describe('the chart', () => {
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await openCluster(silentProgress);
  }, hangLimitMs);

  /** `kubectl auth can-i` exits with 1 for a no. */
  async function operatorMay(verb: string, what: string, namespace = 'default') {
    const [resource = '', subresource = ''] = what.split(':');
    const question = ['auth', 'can-i', verb, resource, '--subresource', subresource];
    const asked = cluster.kubectl([...question, '--as', account, '-n', namespace]);
    const answer = await asked.catch((error: unknown) => String(error));
    return answer.trim() === 'yes';
  }

  /** The objects that the chart makes with a value set. */
  async function render(value: string) {
    const command = ['template', 'x', 'charts/gitaly-operator', '--set', value];
    const objects = loadAll(await cluster.helm(command)) as (Rendered | null)[];
    const metadataOf = (kind: string) =>
      objects.flatMap((object) => (object?.kind === kind ? [object.metadata] : []));
    return {
      namesOf: (kind: string) => metadataOf(kind).map(({ name }) => name),
      namespacesOf: (kind: string) => metadataOf(kind).map(({ namespace }) => namespace),
      verbsOn: (resource: string) =>
        objects
          .flatMap((object) => object?.rules ?? [])
          .flatMap(({ resources, verbs }) => (resources.includes(resource) ? verbs : [])),
    };
  }

  test.each([
    ['patch', 'statefulsets.apps'],
    ['create', 'secrets'],
    ['get', 'secrets'],
    ['patch', 'persistentvolumeclaims'],
    ['delete', 'pods'],
    ['patch', 'pods'],
    ['get', 'pods:log'],
    ['watch', 'nodes'],
    ['patch', 'gitalyclusters.gitaly.dev:status'],
    ['watch', 'gitalymaintenances.gitaly.dev'],
    ['patch', 'gitalymaintenances.gitaly.dev:status'],
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
    ['patch', 'nodes'],
    ['patch', 'gitalyclusters.gitaly.dev'],
    ['patch', 'gitalymaintenances.gitaly.dev'],
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
    const { namesOf, namespacesOf } = await render('watchNamespaces={a,b}');
    // Nodes are in no namespace.
    expect(namesOf('ClusterRoleBinding')).toEqual([expect.stringMatching(/-nodes$/)]);
    expect(namespacesOf('RoleBinding')).toEqual(expect.arrayContaining(['a', 'b']));
    const withoutNodes = await render('watchNamespaces={a,b},nodes.watch=false');
    expect(withoutNodes.namesOf('ClusterRoleBinding')).toEqual([]);
  });

  test('gives the right to change nodes only if it is asked for', async () => {
    expect((await render('nodes.cordon=false')).verbsOn('nodes')).not.toContain('patch');
    expect((await render('nodes.cordon=true')).verbsOn('nodes')).toContain('patch');
    await expect(render('nodes.watch=false,nodes.cordon=true')).rejects.toThrow('watch');
  });

  test('refuses values that it does not know', async () => {
    await expect(render('replica=3')).rejects.toThrow('replica');
  });
});
