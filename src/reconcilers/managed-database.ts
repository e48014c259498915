import type { EffectiveDatabase } from '../api/effective-spec.ts';
import type { Container, EnvVar, Service, StatefulSet } from '../api/kubernetes.ts';
import { databasePort, objectNames } from '../api/names.ts';
import type { ClusterContext } from './cluster-context.ts';
import { labelsOf, ownedMeta, selectorLabels, selectorOf, type Part } from './object-meta.ts';
import { restrictedContainer, restrictedPod } from './pod-security.ts';
import { carriedOverClaims, volumeClaim } from './volume-claims.ts';

type ManagedDatabase = Extract<EffectiveDatabase, { kind: 'managed' }>;

/** The part of a cluster that the managed database's objects belong to. */
export const databasePart: Part = { component: 'database' };

/** The user and group `postgres` of the official image. */
const postgresUser = 999;
const dataDir = '/var/lib/postgresql/data';

/** One PostgreSQL server by the conventions of the official image. For trying out. */
export function databaseStatefulSet(
  context: ClusterContext,
  database: ManagedDatabase,
  current: StatefulSet | undefined,
): StatefulSet {
  const name = objectNames.database(context.name);
  const selector = selectorOf(context, databasePart);
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: ownedMeta(context, databasePart, name),
    spec: {
      replicas: 1,
      serviceName: name,
      podManagementPolicy: 'OrderedReady',
      updateStrategy: { type: 'RollingUpdate' },
      persistentVolumeClaimRetentionPolicy: {
        whenDeleted: context.spec.deletionPolicy,
        whenScaled: 'Retain',
      },
      selector,
      template: {
        metadata: { labels: labelsOf(context, databasePart) },
        spec: {
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          terminationGracePeriodSeconds: 30,
          securityContext: restrictedPod(postgresUser),
          imagePullSecrets: context.spec.imagePullSecrets,
          containers: [container(database)],
          volumes: [
            { name: 'run', emptyDir: {} },
            { name: 'tmp', emptyDir: {} },
          ],
        },
      },
      volumeClaimTemplates: carriedOverClaims(current) ?? [
        volumeClaim('data', database.volume, selector.matchLabels),
      ],
    },
  };
}

/** The name of the volume claim of the managed database. */
export function databaseClaimName(cluster: string): string {
  return `data-${objectNames.database(cluster)}-0`;
}

/** Gives the managed database a name. */
export function databaseService(context: ClusterContext): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: ownedMeta(context, databasePart, objectNames.database(context.name)),
    spec: {
      selector: selectorLabels(context, databasePart),
      ports: [{ name: 'tcp-postgresql', port: databasePort, targetPort: 'postgresql' }],
    },
  };
}

function container({ image, secretName, resources }: ManagedDatabase): Container {
  const fromSecret = (name: string, key: string): EnvVar => ({
    name,
    valueFrom: { secretKeyRef: { name: secretName, key } },
  });
  // Not pg_isready: while the image sets the database up, a server answers on its Unix socket only.
  const accepting = { tcpSocket: { port: 'postgresql' }, timeoutSeconds: 3 };
  return {
    name: 'postgresql',
    image,
    imagePullPolicy: 'IfNotPresent',
    env: [
      fromSecret('POSTGRES_USER', 'username'),
      fromSecret('POSTGRES_PASSWORD', 'password'),
      fromSecret('POSTGRES_DB', 'dbname'),
      // A folder of its own, as the volume's root may hold `lost+found`.
      { name: 'PGDATA', value: `${dataDir}/pgdata` },
    ],
    ports: [{ name: 'postgresql', containerPort: databasePort, protocol: 'TCP' }],
    ...(resources && { resources }),
    startupProbe: { ...accepting, periodSeconds: 1, failureThreshold: 300 },
    readinessProbe: { ...accepting, periodSeconds: 5, failureThreshold: 3 },
    livenessProbe: { ...accepting, periodSeconds: 10, failureThreshold: 6 },
    securityContext: restrictedContainer,
    volumeMounts: [
      { name: 'data', mountPath: dataDir },
      { name: 'run', mountPath: '/var/run/postgresql' },
      { name: 'tmp', mountPath: '/tmp' },
    ],
  };
}
