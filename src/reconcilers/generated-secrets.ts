import type { ObjectMeta } from '../api/kubernetes.ts';
import { databasePort, generatedTokenKey, objectNames } from '../api/names.ts';
import type { ClusterContext } from './cluster-context.ts';
import { databaseClaimName, databasePart } from './managed-database.ts';
import { byName, type ObservedCluster } from './observed-cluster.ts';
import { retainableMeta, type Part } from './object-meta.ts';
import { proxyPart } from './proxy-objects.ts';

/**
 * A Secret that is made once and whose contents are never written again: whoever uses it may have
 * copied it.
 */
export interface GeneratedSecret {
  readonly metadata: ObjectMeta;
  /** Values that are known. */
  readonly fixed: Readonly<Record<string, string>>;
  /** Keys whose values are drawn at random, 256 bits each. */
  readonly random: readonly string[];
}

/** The Secrets that a cluster needs and that the user does not bring. */
export function generatedSecrets(context: ClusterContext): GeneratedSecret[] {
  const { clientToken, database } = context.spec;
  const names = objectNames;
  return [
    tokenSecret(context, proxyPart, names.gitalyToken(context.name)),
    ...(clientToken.generated ? [tokenSecret(context, proxyPart, clientToken.name)] : []),
    ...(database.kind === 'managed' ? [databaseSecret(context)] : []),
  ];
}

function tokenSecret(context: ClusterContext, part: Part, name: string): GeneratedSecret {
  return {
    metadata: retainableMeta(context, part, name),
    fixed: {},
    random: [generatedTokenKey],
  };
}

/** The same keys as a Secret of CloudNativePG has. */
function databaseSecret(context: ClusterContext): GeneratedSecret {
  const name = objectNames.database(context.name);
  return {
    metadata: retainableMeta(context, databasePart, name),
    fixed: {
      host: `${name}.${context.namespace}.svc`,
      port: String(databasePort),
      dbname: 'gitaly',
      username: 'gitaly',
    },
    random: ['password'],
  };
}

/**
 * Why a generated Secret that is missing must not be made anew, for a person; undefined if it may. A
 * new value would not fit what others have copied: GitLab, running storages, the database's volume.
 */
export function refusalToGenerate(
  context: ClusterContext,
  { metadata }: GeneratedSecret,
  { wasInService, claims }: Pick<ObservedCluster, 'claims'> & { readonly wasInService: boolean },
): string | undefined {
  const { name } = metadata;
  const database = objectNames.database(context.name);
  const hasVolume = byName(claims, databaseClaimName(context.name)) !== undefined;
  if (name === database && hasVolume) {
    return (
      `Secret ${name} is gone, and the volume of the database has its password: restore the Secret, ` +
      'or set the password of user gitaly anew and create the Secret with it'
    );
  }
  if (!wasInService || name === database) return undefined;
  return (
    `Secret ${name} is gone, and its token is in use: restore it with key ${generatedTokenKey} ` +
    (name === objectNames.gitalyToken(context.name)
      ? 'from the Secret that ends in -config, where it is the token under [auth]'
      : 'from the gitaly_token in the configuration of GitLab')
  );
}
