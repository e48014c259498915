import { expect, test } from '@jest/globals';

import { clusterContext } from '../../test/support/gitaly-cluster.ts';
import type { Secret } from '../api/kubernetes.ts';
import type { KubeObject } from '../api/kubernetes.ts';
import type { ObjectName, ResourceType } from '../kube/resource-types.ts';
import { ClusterSecrets } from './cluster-secrets.ts';

/** Holds the Secrets whose names it is asked for until each was read once. */
class VanishingSecrets {
  readonly #read = new Set<string>();

  get<T extends KubeObject>(_: ResourceType<T>, { name }: ObjectName): Promise<T | undefined> {
    if (this.#read.has(name)) return Promise.resolve(undefined);
    this.#read.add(name);
    const data = { token: Buffer.from(`the token of ${name}`).toString('base64') };
    const secret: Secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name }, data };
    return Promise.resolve(secret as KubeObject as T);
  }

  create(): Promise<undefined> {
    throw new Error('a Secret that was there must not be made anew');
  }

  apply<T extends KubeObject>(object: T): Promise<T> {
    return Promise.resolve(object);
  }
}

test('a token that is removed while a cluster is reconciled is the one that was read', async () => {
  const secrets = new ClusterSecrets(new VanishingSecrets());
  const state = { claims: [], wasInService: true };
  expect(await secrets.ensureGenerated(clusterContext(), state)).toEqual({
    kind: 'present',
    gitalyToken: { kind: 'known', text: 'the token of gitaly-gitaly-token' },
  });
});

/** Holds Secrets with these keys; each value is `the <key>`. */
function secretsWith(held: Readonly<Record<string, readonly string[]>>): ClusterSecrets {
  const get = <T extends KubeObject>(
    _: ResourceType<T>,
    { name }: ObjectName,
  ): Promise<T | undefined> => {
    const keys = held[name];
    if (keys === undefined) return Promise.resolve(undefined);
    const data = Object.fromEntries(
      keys.map((key) => [key, Buffer.from(`the ${key}`).toString('base64')]),
    );
    const secret: Secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name }, data };
    return Promise.resolve(secret as KubeObject as T);
  };
  const unused = () => Promise.reject(new Error('nothing is to be written'));
  return new ClusterSecrets({ get, create: unused, apply: unused });
}

test('a token of the clients may have another one beside it that is good too', async () => {
  const context = clusterContext();
  const name = 'gitaly-client-token';
  expect(await secretsWith({ [name]: ['token'] }).clientTokens(context)).toEqual({
    current: { kind: 'known', text: 'the token' },
    previous: undefined,
  });
  expect(
    await secretsWith({ [name]: ['token', 'previous-token'] }).clientTokens(context),
  ).toMatchObject({ previous: 'the previous-token' });
});

test('a Secret with a certificate that lacks a key is told of', async () => {
  const context = clusterContext({ tls: { proxy: { secretRef: { name: 'proxy-tls' } } } });
  expect(await secretsWith({}).tlsProblem(context)).toContain('proxy-tls');
  const incomplete = secretsWith({ 'proxy-tls': ['tls.crt'] });
  expect(await incomplete.tlsProblem(context)).toContain('lacks tls.key');
  const complete = secretsWith({ 'proxy-tls': ['tls.crt', 'tls.key'] });
  expect(await complete.tlsProblem(context)).toBeUndefined();
});
