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
