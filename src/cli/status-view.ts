import type {
  GetStatusResponse,
  ReplicaStatus,
  RepositoryStatus,
  StorageStatus,
  VirtualStorageStatus,
} from '../gen/gitaly_operator/v1/admin_pb.ts';
import type { ServerInfoResponse } from '../gen/gitaly/server_pb.ts';
import { drainText, requestersText } from './drain-view.ts';
import { freeText, weightText } from './placement-commands.ts';
import { count, formatFields, formatTable } from './table.ts';

/** The cluster in a few lines: what people should know first stands first. */
export function renderStatus(status: GetStatusResponse): string {
  const all = status.virtualStorages.flatMap(({ storages }) => storages);
  const hasDrains = all.some(({ drain }) => drain !== undefined);
  const hasZones = all.some(({ zone }) => zone !== '');
  const storages = status.virtualStorages.flatMap((virtualStorage) =>
    virtualStorage.storages.map((storage) => [
      virtualStorage.name,
      storage.name,
      storage.healthy ? 'healthy' : 'unhealthy',
      String(storage.replicas),
      String(storage.inSync),
      String(storage.primaries),
      weightText(storage),
      freeText(storage),
      storage.healthReason,
      ...(hasZones ? [storage.zone] : []),
      ...(hasDrains ? [drainCell(storage)] : []),
    ]),
  );
  const blocks = [
    headline(status),
    formatTable(virtualStorageColumns, status.virtualStorages.map(virtualStorageRow)),
    formatTable(
      [
        ...storageColumns,
        ...(hasZones ? [{ heading: 'ZONE' }] : []),
        ...(hasDrains ? [{ heading: 'DRAIN' }] : []),
      ],
      storages,
    ),
  ];
  return blocks.join('\n\n');
}

function drainCell({ drain }: StorageStatus): string {
  return drain === undefined ? '' : `${drainText(drain)} (${requestersText(drain)})`;
}

/** One line for each repository. */
export function renderRepositories(repositories: readonly RepositoryStatus[]): string {
  const hasFindings = repositories.some(({ finding }) => finding !== '');
  return formatTable(
    hasFindings ? [...repositoryColumns, { heading: 'FINDING' }] : repositoryColumns,
    repositories.map((repository) => [
      repositoryName(repository),
      repository.primary || '-',
      `${repository.replicas.filter(({ inSync }) => inSync).length}/${repository.replicas.length}`,
      String(repository.lsn),
      behind(repository),
      ...(hasFindings ? [repository.finding] : []),
    ]),
  );
}

/** All that is known of one repository. */
export function renderRepository(repository: RepositoryStatus): string {
  const fields = formatFields([
    ['Repository', repositoryName(repository)],
    ['Id', String(repository.id)],
    ['Path on storages', repository.replicaPath],
    ['Epoch', String(repository.epoch)],
    ['LSN', String(repository.lsn)],
    ['Primary', repository.primary || 'none: no write is accepted'],
    ['Writes in flight', String(repository.intents)],
    ['Verified', verifiedAt(repository)],
    ...(repository.finding === '' ? [] : [['To be decided', repository.finding] as const]),
  ]);
  const hasRepairs = repository.replicas.some((replica) => repairOf(replica) !== '');
  const replicas = repository.replicas.map((replica) => [
    replica.storage,
    roleOf(replica),
    String(replica.lsn),
    replica.inSync ? 'yes' : `no, ${count(repository.lsn - replica.lsn, 'write', 'writes')} behind`,
    ...(hasRepairs ? [repairOf(replica)] : []),
  ]);
  const columns = hasRepairs ? [...replicaColumns, { heading: 'REPAIR' }] : replicaColumns;
  return `${fields}\n\n${formatTable(columns, replicas)}`;
}

function roleOf({ role, replaces }: ReplicaStatus): string {
  return replaces === '' ? role : `${role}, replaces ${replaces}`;
}

function repairOf({ repairedBy, lastFailure }: ReplicaStatus): string {
  const failed = lastFailure === '' ? '' : `failed: ${lastFailure}`;
  if (repairedBy === '') return failed;
  const underWay = `under way, by ${repairedBy}`;
  return failed === '' ? underWay : `${underWay}; before it ${failed}`;
}

/** Versions, and the storages of the server. */
export function renderServerInfo(info: ServerInfoResponse): string {
  const versions = formatFields([
    ['Server', info.serverVersion],
    ['Git', info.gitVersion],
  ]);
  const storages = info.storageStatuses.map((storage) => [
    storage.storageName,
    storage.readable ? 'yes' : 'no',
    storage.writeable ? 'yes' : 'no',
    String(storage.replicationFactor),
  ]);
  return `${versions}\n\n${formatTable(serverStorageColumns, storages)}`;
}

const virtualStorageColumns = [
  { heading: 'VIRTUAL STORAGE' },
  { heading: 'REPOSITORIES', align: 'right' },
  { heading: 'REPLICATED', align: 'right' },
  { heading: 'DEGRADED', align: 'right' },
  { heading: 'AT RISK', align: 'right' },
  { heading: 'UNAVAILABLE', align: 'right' },
] as const;

const storageColumns = [
  { heading: 'VIRTUAL STORAGE' },
  { heading: 'STORAGE' },
  { heading: 'HEALTH' },
  { heading: 'REPLICAS', align: 'right' },
  { heading: 'IN SYNC', align: 'right' },
  { heading: 'PRIMARIES', align: 'right' },
  { heading: 'WEIGHT', align: 'right' },
  { heading: 'FREE', align: 'right' },
  { heading: 'REASON' },
] as const;

const repositoryColumns = [
  { heading: 'REPOSITORY' },
  { heading: 'PRIMARY' },
  { heading: 'IN SYNC', align: 'right' },
  { heading: 'LSN', align: 'right' },
  { heading: 'BEHIND' },
] as const;

const replicaColumns = [
  { heading: 'STORAGE' },
  { heading: 'ROLE' },
  { heading: 'LSN', align: 'right' },
  { heading: 'IN SYNC' },
] as const;

const serverStorageColumns = [
  { heading: 'STORAGE' },
  { heading: 'READABLE' },
  { heading: 'WRITEABLE' },
  { heading: 'REPLICATION FACTOR', align: 'right' },
] as const;

function headline({ virtualStorages, storeReachable, proxyId }: GetStatusResponse): string {
  const total = (of: (status: VirtualStorageStatus) => bigint) =>
    virtualStorages.reduce((sum, status) => sum + of(status), 0n);
  const unavailable = total((status) => status.unavailable);
  const atRisk = total((status) => status.atRisk);
  const undecided = total((status) => status.undecided);
  const degraded = total((status) => status.degraded);
  const lines: string[] = [];
  if (!storeReachable) {
    lines.push('The control store cannot be reached: writes are refused, and figures may be old.');
  }
  if (unavailable > 0n) {
    lines.push(`${repositories(unavailable)} cannot be read: no healthy replica is in sync.`);
  }
  if (atRisk > 0n) {
    lines.push(`${repositories(atRisk)} cannot be written: too few replicas are in sync.`);
  }
  if (undecided > 0n) {
    lines.push(
      `${repositories(undecided)} with replicas of which nobody can tell which is right: see "repository list --undecided".`,
    );
  }
  if (degraded > 0n) {
    lines.push(`${repositories(degraded)} can be used, with fewer replicas than there should be.`);
  }
  if (lines.length === 0) lines.push('Every repository is fully replicated.');
  return [...lines, `(as seen by proxy ${proxyId})`].join('\n');
}

function repositories(amount: bigint): string {
  return count(amount, 'repository', 'repositories');
}

function virtualStorageRow(status: VirtualStorageStatus): readonly string[] {
  const { repositories, fullyReplicated, degraded, atRisk, unavailable } = status;
  const figures = [repositories, fullyReplicated, degraded, atRisk, unavailable];
  return [status.name, ...figures.map(String)];
}

function repositoryName({ virtualStorage, relativePath }: RepositoryStatus): string {
  return `${virtualStorage}/${relativePath}`;
}

function verifiedAt({ verifiedAtMs }: RepositoryStatus): string {
  return verifiedAtMs === 0n ? 'not yet' : new Date(Number(verifiedAtMs)).toISOString();
}

function behind({ replicas }: RepositoryStatus): string {
  return replicas
    .filter(({ inSync }) => !inSync)
    .map(({ storage }) => storage)
    .join(', ');
}
