import { describe, expect, test } from '@jest/globals';
import { clusterContext } from '../../test/support/gitaly-cluster.ts';
import { requiredTlsSecrets, tlsSecretProblem } from './tls-secrets.ts';

const both = {
  proxy: { secretRef: { name: 'proxy-tls' } },
  storages: { secretRef: { name: 'storage-tls' } },
};

describe('the Secrets with certificates', () => {
  test('are those that the spec names', () => {
    expect(requiredTlsSecrets(clusterContext().spec)).toEqual([]);
    expect(requiredTlsSecrets(clusterContext({ tls: both }).spec)).toEqual([
      { name: 'proxy-tls', field: 'spec.tls.proxy', keys: ['tls.crt', 'tls.key'] },
      { name: 'storage-tls', field: 'spec.tls.storages', keys: ['tls.crt', 'tls.key', 'ca.crt'] },
    ]);
  });

  test('need their keys, which the status names', () => {
    const [proxy, storages] = requiredTlsSecrets(clusterContext({ tls: both }).spec);
    if (proxy === undefined || storages === undefined) throw new Error('there have to be two');
    const present = (...keys: string[]) => ({ kind: 'present', keys }) as const;
    expect(tlsSecretProblem(proxy, present('tls.crt', 'tls.key'))).toBeUndefined();
    expect(tlsSecretProblem(proxy, { kind: 'missing' })).toBe(
      'Secret proxy-tls of spec.tls.proxy does not exist: create it with the keys tls.crt, tls.key, ' +
        'as cert-manager does, or take spec.tls.proxy out',
    );
    expect(tlsSecretProblem(storages, present('tls.crt', 'other'))).toBe(
      'Secret storage-tls of spec.tls.storages lacks tls.key, ca.crt: add what is missing',
    );
  });
});
