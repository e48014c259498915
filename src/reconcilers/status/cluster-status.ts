import { assertNever } from '../../base/errors.ts';
import type { AnyVerdict, ConditionVerdict } from '../../api/conditions.ts';
import type {
  Condition,
  EndpointStatus,
  GitalyClusterStatus,
  ProxyStatus,
  VirtualStorageStatus,
} from '../../api/generated/gitaly-cluster.ts';
import { grpcPort, grpcTlsPort, objectNames } from '../../api/names.ts';
import type { ClusterContext } from '../cluster-context.ts';
import type { ApplyOutcome } from '../observed-cluster.ts';
import { proxyPart } from '../proxy-objects.ts';
import { isOldTemplate } from '../rollout/outdated-reasons.ts';
import { available } from './available.ts';
import { dataOf, dataSafe } from './data-safe.ts';
import { databaseReady } from './database-ready.ts';
import { paused } from './paused.ts';
import { isPodReady } from './pod-state.ts';
import { podsOf } from './pods-of.ts';
import { progressing } from './progressing.ts';
import { reconciled } from './reconciled.ts';
import { readyStorages, type StatusInput } from './status-input.ts';
import { virtualStorageStatus } from './storage-status.ts';

type Phase = NonNullable<GitalyClusterStatus['phase']>;

/**
 * The whole status, from what was observed alone. Condition times change only when a status does, so
 * equal observations give equal results.
 *
 * @param now the time of a change, RFC 3339.
 */
export function clusterStatus(input: StatusInput, now: string): GitalyClusterStatus {
  const { resource, context, observed, outcome } = input;
  const previous = resource.status ?? {};
  const virtualStorages = context.spec.virtualStorages.map((virtualStorage) =>
    virtualStorageStatus({
      context,
      virtualStorage,
      observed,
      roll: input.roll,
      previous: previous.virtualStorages?.find(({ name }) => name === virtualStorage.name),
    }),
  );
  const judged = { ...input, virtualStorages };
  const verdicts = {
    available: available(judged),
    dataSafe: dataSafe(judged),
    databaseReady: databaseReady(judged),
    progressing: progressing(judged),
    reconciled: reconciled(outcome),
    paused: paused(outcome),
  };
  const { reason, message } = mostTelling(verdicts);
  return {
    observedGeneration: resource.metadata.generation ?? 0,
    phase: phaseOf(verdicts, outcome, wasInService(previous)),
    reason,
    message,
    ready: readyOf(virtualStorages),
    updated: updatedOf(input.roll),
    data: dataOf(verdicts.dataSafe),
    ...totals(virtualStorages),
    endpoint: endpointOf(context),
    proxy: proxyStatus(input),
    virtualStorages,
    conditions: Object.values(verdicts).map((verdict) =>
      stamp(verdict, previous.conditions, resource.metadata.generation ?? 0, now),
    ),
  };
}

/**
 * The status when the spec cannot be acted on at all: what is known of the past stays, and the
 * condition `Reconciled` says why.
 */
export function invalidStatus(
  { metadata, status = {} }: StatusInput['resource'],
  message: string,
  now: string,
): GitalyClusterStatus {
  const verdict = reconciled({ kind: 'failed', reason: 'ApplyFailed', message });
  const others = (status.conditions ?? []).filter(({ type }) => type !== verdict.type);
  return {
    ...status,
    phase: status.phase ?? 'Creating',
    reason: verdict.reason,
    message,
    conditions: [...others, stamp(verdict, status.conditions, metadata.generation ?? 0, now)],
  };
}

/** Whether the cluster has ever served, going by what its status still shows. */
export function wasInService({ phase, repositories }: GitalyClusterStatus): boolean {
  if (repositories !== undefined) return true;
  return phase === 'Ready' || phase === 'Progressing' || phase === 'Unavailable';
}

interface Verdicts {
  readonly available: ConditionVerdict<'Available'>;
  readonly dataSafe: ConditionVerdict<'DataSafe'>;
  readonly databaseReady: ConditionVerdict<'DatabaseReady'>;
  readonly progressing: ConditionVerdict<'Progressing'>;
  readonly reconciled: ConditionVerdict<'Reconciled'>;
  readonly paused: ConditionVerdict<'Paused'>;
}

/** What a person should hear of first: what was refused, what is down, what is not safe, what moves. */
function mostTelling(verdicts: Verdicts): AnyVerdict {
  if (verdicts.paused.status === 'True') return verdicts.paused;
  if (verdicts.reconciled.status === 'False') return verdicts.reconciled;
  if (verdicts.available.status !== 'True') return verdicts.available;
  if (verdicts.dataSafe.status !== 'True' && !isOfUpdate(verdicts)) return verdicts.dataSafe;
  return verdicts.progressing;
}

/** Whether replicas are away because of an update, which is what a person should hear of then. */
function isOfUpdate({ dataSafe, progressing }: Verdicts): boolean {
  if (dataSafe.reason === 'StorageUpdating') return true;
  return dataSafe.reason === 'ReplicasBehind' && progressing.reason === 'UpdateHalted';
}

function phaseOf(verdicts: Verdicts, outcome: ApplyOutcome, wasInService: boolean): Phase {
  switch (outcome.kind) {
    case 'deleting':
      return 'Deleting';
    case 'paused':
      return 'Paused';
    case 'applied':
    case 'failed':
      break;
    default:
      return assertNever(outcome);
  }
  if (verdicts.available.status !== 'True') {
    return wasInService ? 'Unavailable' : 'Creating';
  }
  const { reason } = verdicts.progressing;
  const isSettled = reason === 'UpToDate' || reason === 'UpdatePaused';
  return outcome.kind === 'applied' && isSettled ? 'Ready' : 'Progressing';
}

function updatedOf({ storages }: StatusInput['roll']): string {
  const updated = storages.filter(
    ({ pod }) => pod.kind === 'present' && pod.outdated && !isOldTemplate(pod.outdated),
  );
  return `${updated.length}/${storages.length}`;
}

function readyOf(virtualStorages: readonly VirtualStorageStatus[]): string {
  const ready = sum(virtualStorages.map(readyStorages));
  return `${ready}/${sum(virtualStorages.map(({ storages }) => storages.length))}`;
}

function totals(
  virtualStorages: readonly VirtualStorageStatus[],
): Pick<GitalyClusterStatus, 'repositories' | 'degradedRepositories'> {
  const known = virtualStorages.filter(({ repositories }) => repositories !== undefined);
  if (known.length === 0) return {};
  const short = known.map(
    ({ degraded = 0, atRisk = 0, unavailable = 0 }) => degraded + atRisk + unavailable,
  );
  return {
    repositories: sum(known.map(({ repositories = 0 }) => repositories)),
    degradedRepositories: sum(short),
  };
}

function endpointOf({ name, namespace, spec }: ClusterContext): EndpointStatus {
  const host = `${objectNames.proxy(name)}.${namespace}.svc`;
  return {
    address: `tcp://${host}:${grpcPort}`,
    ...(spec.tls.proxySecret !== undefined && { tlsAddress: `tls://${host}:${grpcTlsPort}` }),
    tokenSecret: spec.clientToken.name,
    tokenKey: spec.clientToken.key,
  };
}

function proxyStatus(input: StatusInput): ProxyStatus {
  const { replicas } = input.context.spec.proxy;
  // A roll has one more for a while, which is nothing to read from `3/2`.
  const readyReplicas = Math.min(
    replicas,
    podsOf(input.context, input.observed.pods, proxyPart).filter(isPodReady).length,
  );
  return { ready: `${readyReplicas}/${replicas}`, replicas, readyReplicas };
}

function stamp(
  { type, status, reason, message }: AnyVerdict,
  previous: readonly Condition[] | undefined,
  observedGeneration: number,
  now: string,
): Condition {
  const before = previous?.find((condition) => condition.type === type);
  const lastTransitionTime = before?.status === status ? before.lastTransitionTime : now;
  return { type, status, observedGeneration, lastTransitionTime, reason, message };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
