import type { EffectiveSpec } from '../api/effective-spec.ts';
import { tlsKeys } from '../api/names.ts';
import type { SecretState } from './observed-cluster.ts';

/** A Secret with a certificate, and the keys that it has to have. */
export interface RequiredTlsSecret {
  readonly name: string;
  /** The field of the spec that names it. */
  readonly field: string;
  readonly keys: readonly string[];
}

/** The Secrets with certificates that the spec names. Pods do not start without them. */
export function requiredTlsSecrets({ tls }: Pick<EffectiveSpec, 'tls'>): RequiredTlsSecret[] {
  const { certificate, key, authority } = tlsKeys;
  const { proxySecret, storageSecret } = tls;
  const required: RequiredTlsSecret[] = [];
  if (proxySecret !== undefined) {
    required.push({ name: proxySecret, field: 'spec.tls.proxy', keys: [certificate, key] });
  }
  if (storageSecret !== undefined) {
    const keys = [certificate, key, authority];
    required.push({ name: storageSecret, field: 'spec.tls.storages', keys });
  }
  return required;
}

/** What is wrong with such a Secret, and what to do; undefined if nothing is. */
export function tlsSecretProblem(
  { name, field, keys }: RequiredTlsSecret,
  state: SecretState,
): string | undefined {
  if (state.kind === 'missing') {
    return (
      `Secret ${name} of ${field} does not exist: create it with the keys ${keys.join(', ')}, ` +
      `as cert-manager does, or take ${field} out`
    );
  }
  const missing = keys.filter((key) => !state.keys.includes(key));
  if (missing.length === 0) return undefined;
  return `Secret ${name} of ${field} lacks ${missing.join(', ')}: add what is missing`;
}
