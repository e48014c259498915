import type { KubeObject } from '../api/kubernetes.ts';
import { objectNames } from '../api/names.ts';
import type { ClusterContext } from './cluster-context.ts';
import { markedOnlyBudget } from './disruption-budget.ts';
import { gitalyConfigSecret, gitalyService, storagePart } from './gitaly-objects.ts';
import { gitalyStatefulSet, repositoriesClaimName } from './gitaly-stateful-set.ts';
import {
  databaseClaimName,
  databasePart,
  databaseService,
  databaseStatefulSet,
} from './managed-database.ts';
import { byName, storageSetOf, type ObservedCluster } from './observed-cluster.ts';
import { proxyDeployment } from './proxy-deployment.ts';
import {
  proxyConfigMap,
  proxyDisruptionBudget,
  proxyHeadlessService,
  proxyService,
} from './proxy-objects.ts';
import { storagesOf } from './cluster-context.ts';
import { storageTransport } from './storage-transport.ts';
import { growClaim } from './volume-claims.ts';

/** What the desired objects depend on beside the spec. */
export interface DesiredObjectsInput {
  readonly context: ClusterContext;
  readonly observed: Pick<ObservedCluster, 'statefulSets' | 'claims' | 'pods'>;
  /** The token of the Gitaly storages, read from the generated Secret. */
  readonly gitalyToken: string;
}

/**
 * Everything that is applied, in this order: a pod's configuration comes before the pod, and growing
 * a volume comes last, as it is the step that a storage class may refuse.
 */
export function desiredObjects(input: DesiredObjectsInput): KubeObject[] {
  const { context } = input;
  const transport = storageTransport(context, input.observed.pods);
  return [
    ...databaseObjects(input),
    ...context.spec.virtualStorages.flatMap((virtualStorage) => [
      gitalyConfigSecret(context, virtualStorage, input.gitalyToken),
      gitalyService(context, virtualStorage),
      markedOnlyBudget(
        context,
        storagePart(virtualStorage),
        objectNames.storages(context.name, virtualStorage.name),
      ),
      gitalyStatefulSet({
        context,
        virtualStorage,
        token: input.gitalyToken,
        current: storageSetOf(context.name, virtualStorage.name, input.observed.statefulSets),
      }),
    ]),
    proxyConfigMap(context, transport),
    proxyService(context),
    proxyHeadlessService(context),
    proxyDisruptionBudget(context),
    proxyDeployment(context, transport),
    ...growingClaims(input),
  ];
}

function databaseObjects(input: DesiredObjectsInput): KubeObject[] {
  const { context } = input;
  const { database } = context.spec;
  if (database.kind === 'external') return [];
  const name = objectNames.database(context.name);
  return [
    databaseService(context),
    markedOnlyBudget(context, databasePart, name),
    databaseStatefulSet(context, database, byName(input.observed.statefulSets, name)),
  ];
}

function growingClaims({ context, observed }: DesiredObjectsInput): KubeObject[] {
  const { database, virtualStorages } = context.spec;
  const wanted = [
    ...virtualStorages.flatMap((virtualStorage) =>
      storagesOf(context, virtualStorage).map(({ name }) => ({
        name: repositoriesClaimName(name),
        size: virtualStorage.volume.size,
      })),
    ),
    ...(database.kind === 'managed'
      ? [{ name: databaseClaimName(context.name), size: database.volume.size }]
      : []),
  ];
  return wanted.flatMap(({ name, size }) => {
    const claim = byName(observed.claims, name);
    const grown = claim && growClaim(claim, size);
    return grown ? [grown] : [];
  });
}
