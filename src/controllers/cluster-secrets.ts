import { randomBytes } from 'node:crypto';

import type { Secret } from '../api/kubernetes.ts';
import { generatedTokenKey, objectNames, type SecretKey } from '../api/names.ts';
import type { KubeClient } from '../kube/kube-client.ts';
import { resourceTypes } from '../kube/resource-types.ts';
import { toBase64 } from '../reconcilers/base64.ts';
import type { ClusterContext } from '../reconcilers/cluster-context.ts';
import {
  generatedSecrets,
  refusalToGenerate,
  type GeneratedSecret,
} from '../reconcilers/generated-secrets.ts';
import type { ObservedCluster, SecretState } from '../reconcilers/observed-cluster.ts';
import { ownershipOf } from '../reconcilers/ownership.ts';

/** A secret text, or why there is none. The text never gets into logs, statuses or events. */
export type SecretText =
  | { readonly kind: 'known'; readonly text: string }
  | { readonly kind: 'unknown'; readonly message: string };

/** Reads and generates the Secrets of clusters. */
export class ClusterSecrets {
  readonly #client: Pick<KubeClient, 'get' | 'create' | 'apply'>;

  constructor(client: Pick<KubeClient, 'get' | 'create' | 'apply'>) {
    this.#client = client;
  }

  /**
   * Makes the generated Secrets that do not exist, and lets the others' contents be. Returns why one
   * that is missing must not be made, if so.
   */
  async ensureGenerated(
    context: ClusterContext,
    state: Pick<ObservedCluster, 'claims'> & { readonly wasInService: boolean },
  ): Promise<string | undefined> {
    for (const wanted of generatedSecrets(context)) {
      const existing = await this.#read(context, wanted.metadata.name);
      if (!existing) {
        const refusal = refusalToGenerate(context, wanted, state);
        if (refusal !== undefined) return refusal;
        await this.#client.create(generate(wanted));
        await this.#client.apply(metadataOf(wanted));
      } else if (isMetadataDue(context, existing, wanted)) {
        await this.#client.apply(metadataOf(wanted));
      }
    }
    return undefined;
  }

  /** The token of the Gitaly storages. */
  gitalyToken(context: ClusterContext): Promise<SecretText> {
    const name = objectNames.gitalyToken(context.name);
    return this.#text(context, { name, key: generatedTokenKey });
  }

  /** The token of the clients. */
  clientToken(context: ClusterContext): Promise<SecretText> {
    return this.#text(context, context.spec.clientToken);
  }

  /** Which keys the database's Secret has. */
  async databaseSecret(context: ClusterContext): Promise<SecretState> {
    const secret = await this.#read(context, context.spec.database.secretName);
    return secret ? { kind: 'present', keys: Object.keys(secret.data ?? {}) } : { kind: 'missing' };
  }

  async #text(context: ClusterContext, { name, key }: SecretKey): Promise<SecretText> {
    const secret = await this.#read(context, name);
    if (!secret) {
      return {
        kind: 'unknown',
        message: `Secret ${name} does not exist: create it with key ${key}`,
      };
    }
    const text = Buffer.from(secret.data?.[key] ?? '', 'base64')
      .toString('utf8')
      .trim();
    return text === ''
      ? { kind: 'unknown', message: `Secret ${name} has no key ${key}: add it` }
      : { kind: 'known', text };
  }

  #read({ namespace }: ClusterContext, name: string): Promise<Secret | undefined> {
    return this.#client.get(resourceTypes.secret, { namespace, name });
  }
}

function generate({ metadata, fixed, random }: GeneratedSecret): Secret {
  const { name, namespace = '', labels = {} } = metadata;
  const drawn = random.map((key) => [key, randomBytes(32).toString('base64url')] as const);
  const texts = { ...fixed, ...Object.fromEntries(drawn) };
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace, labels },
    type: 'Opaque',
    data: Object.fromEntries(Object.entries(texts).map(([key, text]) => [key, toBase64(text)])),
  };
}

/** Labels and owner alone: applied without data, the data stays what it is. */
function metadataOf({ metadata }: GeneratedSecret): Secret {
  return { apiVersion: 'v1', kind: 'Secret', metadata };
}

/** Whether an existing Secret's owner is not as wanted. One that the user made is left alone. */
function isMetadataDue(
  context: ClusterContext,
  existing: Secret,
  { metadata }: GeneratedSecret,
): boolean {
  if (ownershipOf(context, existing).kind === 'foreign') return false;
  const isOwned = (existing.metadata.ownerReferences ?? []).some(({ uid }) => uid === context.uid);
  return isOwned !== (metadata.ownerReferences ?? []).length > 0;
}
