import { randomBytes } from 'node:crypto';

import type { Secret } from '../api/kubernetes.ts';
import { generatedTokenKey, objectNames, previousTokenKey, type SecretKey } from '../api/names.ts';
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
import { requiredTlsSecrets, tlsSecretProblem } from '../reconcilers/tls-secrets.ts';

/** A secret text, or why there is none. The text never gets into logs, statuses or events. */
type SecretText =
  | { readonly kind: 'known'; readonly text: string }
  | { readonly kind: 'unknown'; readonly message: string };

/** What clients may sign with. */
export interface ClientTokens {
  readonly current: SecretText;
  readonly previous: string | undefined;
}

/** What came of seeing to the generated Secrets. */
export type GeneratedSecretsOutcome =
  /** The token of the Gitaly storages, as the Secret that is there has it. */
  | { readonly kind: 'present'; readonly gitalyToken: SecretText }
  /** One is missing and must not be made. */
  | { readonly kind: 'refused'; readonly message: string };

/** Reads and generates the Secrets of clusters. */
export class ClusterSecrets {
  readonly #client: Pick<KubeClient, 'get' | 'create' | 'apply'>;

  constructor(client: Pick<KubeClient, 'get' | 'create' | 'apply'>) {
    this.#client = client;
  }

  /**
   * Makes the generated Secrets that do not exist, and lets the others' contents be. Each is read
   * once, so that what is said about one that goes away meanwhile is never advice to make it anew.
   */
  async ensureGenerated(
    context: ClusterContext,
    state: Pick<ObservedCluster, 'claims'> & { readonly wasInService: boolean },
  ): Promise<GeneratedSecretsOutcome> {
    const gitalyTokenName = objectNames.gitalyToken(context.name);
    let gitalyToken: Secret | undefined;
    for (const wanted of generatedSecrets(context)) {
      const { name } = wanted.metadata;
      let secret = await this.#read(context, name);
      if (!secret) {
        const message = refusalToGenerate(context, wanted, state);
        if (message !== undefined) return { kind: 'refused', message };
        secret = await this.#create(context, wanted);
      } else if (isMetadataDue(context, secret, wanted)) {
        await this.#client.apply(metadataOf(wanted));
      }
      if (name === gitalyTokenName) gitalyToken = secret;
    }
    const key = { name: gitalyTokenName, key: generatedTokenKey };
    return { kind: 'present', gitalyToken: textOf(gitalyToken, key) };
  }

  /** The token of the clients, and the one before it if the Secret holds that too. */
  async clientTokens(context: ClusterContext): Promise<ClientTokens> {
    const key = context.spec.clientToken;
    const secret = await this.#read(context, key.name);
    const current = textOf(secret, key);
    const previous = textOf(secret, { ...key, key: previousTokenKey });
    return { current, previous: previous.kind === 'known' ? previous.text : undefined };
  }

  /** What is wrong with the Secrets that hold certificates, and what to do; undefined if nothing is. */
  async tlsProblem(context: ClusterContext): Promise<string | undefined> {
    for (const required of requiredTlsSecrets(context.spec)) {
      const problem = tlsSecretProblem(required, await this.#state(context, required.name));
      if (problem !== undefined) return problem;
    }
    return undefined;
  }

  /** Which keys the database's Secret has. */
  databaseSecret(context: ClusterContext): Promise<SecretState> {
    return this.#state(context, context.spec.database.secretName);
  }

  async #state(context: ClusterContext, name: string): Promise<SecretState> {
    const secret = await this.#read(context, name);
    return secret ? { kind: 'present', keys: Object.keys(secret.data ?? {}) } : { kind: 'missing' };
  }

  /** Undefined if somebody else made it first and it is gone again. */
  async #create(context: ClusterContext, wanted: GeneratedSecret): Promise<Secret | undefined> {
    const created = await this.#client.create(generate(wanted));
    await this.#client.apply(metadataOf(wanted));
    return created ?? this.#read(context, wanted.metadata.name);
  }

  #read({ namespace }: ClusterContext, name: string): Promise<Secret | undefined> {
    return this.#client.get(resourceTypes.secret, { namespace, name });
  }
}

function textOf(secret: Secret | undefined, { name, key }: SecretKey): SecretText {
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
