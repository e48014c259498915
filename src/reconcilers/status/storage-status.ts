import type { EffectiveVirtualStorage } from '../../api/effective-spec.ts';
import type { StorageStatus, VirtualStorageStatus } from '../../api/generated/gitaly-cluster.ts';
import { assertNever } from '../../base/errors.ts';
import { storagesOf, type ClusterContext } from '../cluster-context.ts';
import { repositoriesClaimName } from '../gitaly-stateful-set.ts';
import { byName, type ObservedCluster } from '../observed-cluster.ts';
import type { JudgedStorage } from '../rollout/judged-storage.ts';
import { isOldTemplate } from '../rollout/outdated-reasons.ts';
import { isBeingReplaced } from '../rollout/roll-progress.ts';
import { describeDrain, describeRequester, describeState } from '../rollout/roll-text.ts';
import type { StatusInput } from './status-input.ts';
import { podProblem, isPodReady } from './pod-state.ts';
import { reportOf, type StorageReport } from '../proxy-report.ts';

/** What a virtual storage's status is made from. */
export interface VirtualStorageStatusInput {
  readonly context: ClusterContext;
  readonly virtualStorage: EffectiveVirtualStorage;
  readonly observed: ObservedCluster;
  readonly roll: StatusInput['roll'];
  /** Its last status: keeps the counts while no proxy answers. */
  readonly previous: VirtualStorageStatus | undefined;
}

/** The status of a virtual storage and of each of its storages. */
export function virtualStorageStatus(input: VirtualStorageStatusInput): VirtualStorageStatus {
  const { context, virtualStorage, observed, previous } = input;
  const { name, replicationFactor, minInSyncReplicas } = virtualStorage;
  const storages = storagesOf(context, virtualStorage).map((storage) =>
    storageStatus(input, storage.name),
  );
  const counts = reportOf(observed.report, name) ?? previous;
  return {
    name,
    ready: `${storages.filter(({ ready }) => ready).length}/${storages.length}`,
    replicationFactor,
    minInSyncReplicas,
    ...pickDefined(counts, [
      'repositories',
      'fullyReplicated',
      'degraded',
      'atRisk',
      'unavailable',
    ] as const),
    storages,
  };
}

function storageStatus(
  { virtualStorage, observed, roll, previous }: VirtualStorageStatusInput,
  name: string,
): StorageStatus {
  const pod = byName(observed.pods, name);
  const claim = byName(observed.claims, repositoriesClaimName(name));
  const report = reportOf(observed.report, virtualStorage.name)?.storages.find(
    (storage) => storage.name === name,
  );
  const message = podProblem(pod) ?? (report?.healthy === false ? report.healthReason : undefined);
  const volumeSize = claim?.status?.capacity?.storage;
  return {
    name,
    ready: isPodReady(pod),
    health: healthOf(report),
    ...(message !== undefined && { message }),
    ...updateOf(
      roll.storages.find((judged) => judged.name === name),
      roll.waits.get(name),
      previous?.storages.find((storage) => storage.name === name),
    ),
    ...(volumeSize !== undefined && { volumeSize }),
    ...pickDefined(report, ['replicas', 'inSync', 'primaries'] as const),
  };
}

function healthOf(report: StorageReport | undefined): StorageStatus['health'] {
  if (!report) return 'Unknown';
  return report.healthy ? 'Healthy' : 'Unhealthy';
}

const waits = ', and waits: ';

/** What the update has to say of a storage; nothing if it is up to date. */
function updateOf(
  judged: JudgedStorage | undefined,
  wait: string | undefined,
  previous: StorageStatus | undefined,
): Partial<StorageStatus> {
  if (!judged) return {};
  const { pod, report } = judged;
  const update = updateWord(judged);
  // Why others were chosen is told when they are, and holds until they are back.
  const isSame = update === 'Outdated' && update === previous?.update;
  const kept = isSame ? previous.updateMessage?.split(waits)[1] : undefined;
  const why = wait ?? kept;
  const state = describeState(judged);
  const drain = report?.drain;
  const updateMessage = why === undefined ? state : `${state}${waits}${why}`;
  return {
    ...(pod.kind === 'present' && isOldTemplate(pod.outdated ?? []) && { outdated: true }),
    ...(update !== undefined && { update, updateMessage }),
    ...(drain && {
      drain: {
        requesters: drain.requesters.map(describeRequester),
        drained: drain.drained,
        message: describeDrain(drain),
      },
    }),
  };
}

function updateWord(judged: JudgedStorage): StorageStatus['update'] {
  switch (judged.state.kind) {
    case 'outdated':
      return isOldTemplate(judged.state.reasons) ? 'Outdated' : 'Leaving';
    case 'broken':
      return 'Outdated';
    case 'draining':
    case 'overdue':
      return 'Draining';
    case 'drained':
    case 'evictable':
      return 'Drained';
    case 'stopping':
    case 'absent':
    case 'starting':
      return isBeingReplaced(judged) ? 'Restarting' : undefined;
    case 'failed':
    case 'flawed':
      return 'Failed';
    case 'returning':
    case 'unchecked':
    case 'back':
      return isBeingReplaced(judged) ? 'Returning' : undefined;
    case 'upToDate':
    case 'undetermined':
      return undefined;
    default:
      return assertNever(judged.state);
  }
}

function pickDefined<T extends object, K extends keyof T>(
  from: T | undefined,
  keys: readonly K[],
): Partial<Pick<T, K>> {
  if (!from) return {};
  const entries = keys.map((key) => [key, from[key]] as const);
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined)) as Partial<
    Pick<T, K>
  >;
}
