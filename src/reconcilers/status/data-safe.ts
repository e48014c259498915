import { listOf } from '../../base/list-of.ts';
import type { ConditionReason, ConditionVerdict } from '../../api/conditions.ts';
import type { GitalyClusterStatus } from '../../api/generated/gitaly-cluster.ts';
import type { VirtualStorageReport } from '../proxy-report.ts';
import { byName } from '../observed-cluster.ts';
import { isBeingReplaced } from '../rollout/roll-progress.ts';
import { fewNames } from '../rollout/roll-text.ts';
import { isWhole } from '../rollout/storage-state.ts';
import type { ConditionInput } from './status-input.ts';

const type = 'DataSafe';

/** Whether each repository has every replica that it should have. */
export function dataSafe(input: ConditionInput): ConditionVerdict<'DataSafe'> {
  const { observed, context } = input;
  const { report } = observed;
  if (report.kind === 'silent') {
    return { type, status: 'Unknown', reason: 'NoProxyAnswers', message: report.message };
  }
  if (!report.storeReachable) {
    const message = `${report.proxy} answers, but cannot reach the database: see DatabaseReady`;
    return { type, status: 'Unknown', reason: 'DatabaseNotReady', message };
  }
  const worst = worstFirst(input, report.virtualStorages);
  if (worst) return worst;
  const pending = context.spec.virtualStorages.filter(
    ({ name }) => !report.virtualStorages.some((known) => known.name === name),
  );
  if (pending.length > 0) {
    const names = listOf(pending.map(({ name }) => name));
    const message = `${report.proxy} does not know ${names} yet; the proxies are replaced so that they do`;
    return { type, status: 'Unknown', reason: 'ConfigurationPending', message };
  }
  const message = `every replica is in sync${sharedNodes(input)}`;
  return { type, status: 'True', reason: 'FullyReplicated', message };
}

type Data = NonNullable<GitalyClusterStatus['data']>;

/** The word of the `Data` column that goes with each reason. */
const dataByReason: Readonly<Record<ConditionReason<'DataSafe'>, Data>> = {
  FullyReplicated: 'Safe',
  StorageUpdating: 'Degraded',
  ReplicasBehind: 'Degraded',
  TooFewInSync: 'AtRisk',
  NoReplicaInSync: 'Unavailable',
  ReplicasDiffer: 'AtRisk',
  NoProxyAnswers: 'Unknown',
  DatabaseNotReady: 'Unknown',
  ConfigurationPending: 'Unknown',
};

/** The word of the `Data` column. */
export function dataOf({ reason }: ConditionVerdict<'DataSafe'>): Data {
  return dataByReason[reason];
}

function worstFirst(
  input: ConditionInput,
  reports: readonly VirtualStorageReport[],
): ConditionVerdict<'DataSafe'> | undefined {
  const unavailable = countsOf(reports, 'unavailable');
  if (unavailable !== undefined) {
    const message =
      `${unavailable} with no healthy replica in sync: bring the storages that hold them back ` +
      '(see status.virtualStorages)';
    return { type, status: 'False', reason: 'NoReplicaInSync', message };
  }
  const atRisk = countsOf(reports, 'atRisk');
  if (atRisk !== undefined) {
    const message =
      `${atRisk} with fewer replicas in sync than minInSyncReplicas; writes to them are refused ` +
      'until a storage is back or a replica is repaired';
    return { type, status: 'False', reason: 'TooFewInSync', message };
  }
  const undecided = countsOf(reports, 'undecided');
  if (undecided !== undefined) {
    const message =
      `${undecided} with replicas of which nobody can tell which is right: see ` +
      '"gitaly-ha repository list --undecided", and choose with "gitaly-ha repository accept-dataloss"';
    return { type, status: 'False', reason: 'ReplicasDiffer', message };
  }
  const degraded = countsOf(reports, 'degraded');
  if (degraded === undefined) return undefined;
  const replaced = replacedStorages(input, reports);
  if (replaced.length > 0) {
    const pods = replaced.length === 1 ? 'whose pod is' : 'whose pods are';
    const message =
      `${degraded} with a replica on ${fewNames(replaced)}, ${pods} being replaced; every other replica is ` +
      'in sync';
    return { type, status: 'False', reason: 'StorageUpdating', message };
  }
  const message =
    `${degraded} with a replica that is behind, missing or out of reach; the proxies repair what they ` +
    'reach, and until then no storage should be taken down';
  return { type, status: 'False', reason: 'ReplicasBehind', message };
}

/** The storages that an update has taken down, if nothing else is the matter anywhere. */
function replacedStorages(
  { roll: { storages } }: ConditionInput,
  reports: readonly VirtualStorageReport[],
): readonly string[] {
  const replaced = storages.filter(({ report }) => !isWhole(report));
  if (!replaced.every((one) => isBeingReplaced(one) && one.state.kind !== 'failed')) return [];
  const isElsewhere = ({ name, degraded }: VirtualStorageReport) =>
    degraded >
    replaced
      .filter(({ virtualStorage }) => virtualStorage === name)
      .reduce((sum, { report }) => sum + (report?.replicas ?? 0), 0);
  return reports.some(isElsewhere) ? [] : replaced.map(({ name }) => name);
}

/** `3 repositories in default and 1 in archive`, or undefined if there is none. */
function countsOf(
  reports: readonly VirtualStorageReport[],
  figure: 'degraded' | 'atRisk' | 'unavailable' | 'undecided',
): string | undefined {
  const parts = reports
    .filter((report) => report[figure] > 0)
    .map((report) => `${report[figure]} in ${report.name}`);
  return parts.length === 0 ? undefined : `repositories: ${listOf(parts)},`;
}

function sharedNodes({ observed, virtualStorages }: ConditionInput): string {
  const byNode = new Map<string, string[]>();
  for (const { name } of virtualStorages.flatMap(({ storages }) => storages)) {
    const node = byName(observed.pods, name)?.spec.nodeName;
    if (node !== undefined) byNode.set(node, [...(byNode.get(node) ?? []), name]);
  }
  const shared = [...byNode].filter(([, names]) => names.length > 1);
  return shared
    .map(([node, names]) => `; ${listOf(names)} share node ${node} and would fail together`)
    .join('');
}
