import type {
  DatalossResponse_Repository,
  RepositoryReplicasResponse,
} from '../gen/gitaly/praefect_pb.ts';
import { formatTable } from './table.ts';

/** A repository that lacks replicas. */
export interface Loss {
  readonly virtualStorage: string;
  readonly repository: DatalossResponse_Repository;
}

/** One line for each replica of each repository. */
export function renderLosses(losses: readonly Loss[]): string {
  if (losses.length === 0) return 'No repository is concerned.';
  const columns = [
    { heading: 'REPOSITORY' },
    { heading: 'AVAILABLE' },
    { heading: 'STORAGE' },
    { heading: 'HEALTH' },
    { heading: 'BEHIND BY', align: 'right' },
  ] as const;
  const rows = losses.flatMap(({ virtualStorage, repository }) =>
    repository.storages.map(({ name, healthy, behindBy }, index) => [
      index === 0 ? `${virtualStorage}/${repository.relativePath}` : '',
      index === 0 ? (repository.unavailable ? 'no' : 'yes') : '',
      name === repository.primary ? `${name} (primary)` : name,
      healthy ? 'healthy' : 'unhealthy',
      String(behindBy),
    ]),
  );
  return formatTable(columns, rows);
}

/** One line for each replica, and whether they are equal. */
export function renderComparison({ primary, replicas }: RepositoryReplicasResponse): string {
  const all = [...(primary === undefined ? [] : [primary]), ...replicas];
  const rows = all.map(({ repository, checksum }, index) => [
    repository?.storageName ?? '',
    index === 0 ? 'primary' : 'replica',
    checksum,
  ]);
  const isEqual = new Set(all.map(({ checksum }) => checksum)).size <= 1;
  const table = formatTable(
    [{ heading: 'STORAGE' }, { heading: 'ROLE' }, { heading: 'CHECKSUM' }],
    rows,
  );
  return `${isEqual ? 'The replicas are equal.' : 'The replicas differ.'}\n\n${table}`;
}
