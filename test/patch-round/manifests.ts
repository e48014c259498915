import { labelKeys } from '../../src/api/names.ts';

/** The cluster of a round. */
export interface RoundCluster {
  readonly namespace: string;
  readonly name: string;
  readonly virtualStorage: string;
  /** In the order of their indexes, which is that of their pods' ordinals. */
  readonly storages: readonly { readonly name: string; readonly zone?: string | undefined }[];
  readonly image: string;
  readonly groupSize: number;
}

const storageClass = 'prepared';
const databaseSecret = 'database';

/** All that is there before the operator: for each storage a node with a disk that belongs to it. */
export function groundwork(cluster: RoundCluster): readonly object[] {
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: cluster.namespace } },
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: databaseSecret, namespace: cluster.namespace },
      stringData: { uri: 'postgresql://proxy:simulated@database.invalid/gitaly' },
    },
    {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'StorageClass',
      metadata: { name: storageClass },
      provisioner: 'kubernetes.io/no-provisioner',
    },
    ...cluster.storages.flatMap(({ name, zone }, index) => {
      const node = nodeName(index);
      return [nodeObject(node, zone), disk(cluster.namespace, name, node)];
    }),
  ];
}

/** The GitalyCluster, which asks for `image`. */
export function gitalyCluster(cluster: RoundCluster): object {
  const { namespace, name, virtualStorage, storages, image, groupSize } = cluster;
  const volume = { size: '1Gi', storageClassName: storageClass };
  return {
    apiVersion: 'gitaly.dev/v1alpha1',
    kind: 'GitalyCluster',
    metadata: { namespace, name },
    spec: {
      virtualStorages: [
        { name: virtualStorage, storages: storages.length, replicationFactor: 3, volume },
      ],
      gitaly: { image },
      database: { secretRef: { name: databaseSecret } },
      update: { groupSize },
    },
  };
}

/** A GitalyMaintenance of every node. */
export function maintenanceOfAll(cluster: RoundCluster): object {
  const { namespace, name: clusterName, storages, groupSize } = cluster;
  return {
    apiVersion: 'gitaly.dev/v1alpha1',
    kind: 'GitalyMaintenance',
    metadata: { namespace, name: 'patch' },
    spec: { clusterName, groupSize, nodes: { names: [...storages.keys()].map(nodeName) } },
  };
}

/** The pods of the storages, for a selector. */
export const storagePods = `${labelKeys.component}=storage`;

const nodeName = (index: number) => `simulated-${index}`;

function nodeObject(name: string, zone: string | undefined): object {
  const labels = {
    'kubernetes.io/hostname': name,
    ...(zone !== undefined && { 'topology.kubernetes.io/zone': zone }),
  };
  return { apiVersion: 'v1', kind: 'Node', metadata: { name, labels } };
}

/** A volume that only the claim of one storage gets, and that only one node reaches. */
function disk(namespace: string, storage: string, node: string): object {
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: `disk-of-${storage}` },
    spec: {
      capacity: { storage: '1Gi' },
      accessModes: ['ReadWriteOnce'],
      storageClassName: storageClass,
      claimRef: { namespace, name: `repositories-${storage}` },
      local: { path: '/simulated' },
      nodeAffinity: {
        required: {
          nodeSelectorTerms: [
            {
              matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: [node] }],
            },
          ],
        },
      },
    },
  };
}
