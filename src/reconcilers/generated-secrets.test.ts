import { describe, expect, test } from '@jest/globals';

import { clusterContext } from '../../test/support/gitaly-cluster.ts';
import { generatedSecrets } from './generated-secrets.ts';

const names = (spec: Parameters<typeof clusterContext>[0]) =>
  generatedSecrets(clusterContext(spec)).map(({ metadata }) => metadata.name);

describe('the generated Secrets', () => {
  test('are the two tokens and the password of the managed database', () => {
    expect(names({})).toEqual(['gitaly-gitaly-token', 'gitaly-client-token', 'gitaly-database']);
  });

  test('leave out what the user brings', () => {
    expect(
      names({
        auth: { tokenSecretRef: { name: 'mine' } },
        database: { secretRef: { name: 'mine-too' } },
      }),
    ).toEqual(['gitaly-gitaly-token']);
  });

  test('have no owner under Retain, so that a later cluster of the name finds its database open', () => {
    for (const { metadata } of generatedSecrets(clusterContext())) {
      expect(metadata.ownerReferences).toEqual([]);
    }
  });

  test('go with the cluster under Delete', () => {
    for (const { metadata } of generatedSecrets(clusterContext({ deletionPolicy: 'Delete' }))) {
      expect(metadata.ownerReferences).toEqual([expect.objectContaining({ uid: 'uid-1' })]);
    }
  });

  test("have the keys of CloudNativePG's Secrets for the database", () => {
    const database = generatedSecrets(clusterContext()).at(-1);
    expect([...Object.keys(database?.fixed ?? {}), ...(database?.random ?? [])]).toEqual([
      'host',
      'port',
      'dbname',
      'username',
      'password',
    ]);
    expect(database?.fixed['host']).toBe('gitaly-database.git.svc');
  });
});
