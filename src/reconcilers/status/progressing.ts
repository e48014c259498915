import { assertNever } from '../../base/errors.ts';
import { listOf } from '../../base/list-of.ts';
import type { ConditionVerdict } from '../../api/conditions.ts';
import { objectNames } from '../../api/names.ts';
import { compareQuantities } from '../../api/quantity.ts';
import { byName } from '../observed-cluster.ts';
import { readyStorages, type ConditionInput } from './status-input.ts';

const type = 'Progressing';

/** Whether something is still on its way to what the spec says. */
export function progressing(input: ConditionInput): ConditionVerdict<'Progressing'> {
  const { kind } = input.outcome;
  switch (kind) {
    case 'paused':
      return {
        type,
        status: 'False',
        reason: 'Paused',
        message: 'set spec.paused to false to go on',
      };
    case 'deleting':
      return { type, status: 'True', reason: 'Deleting', message: 'the cluster is being deleted' };
    case 'applied':
    case 'failed':
      return (
        rollMoving(input) ??
        podsStarting(input) ??
        scalingDown(input) ??
        proxiesRolling(input) ??
        rollStanding(input) ??
        volumesGrowing(input) ?? {
          type,
          status: 'False',
          reason: 'UpToDate',
          message: 'everything is as the spec says',
        }
      );
    default:
      return assertNever(kind);
  }
}

type Verdict = ConditionVerdict<'Progressing'> | undefined;

function podsStarting({ virtualStorages }: ConditionInput): Verdict {
  const waiting = virtualStorages.filter((one) => readyStorages(one) < one.storages.length);
  if (waiting.length === 0) return undefined;
  const parts = waiting.map(({ name, ready }) => `${name} ${ready}`);
  const first = waiting.flatMap(({ storages }) => storages).find(({ ready }) => !ready);
  const message = `storages are not ready: ${listOf(parts)}; ${first?.name}: ${first?.message ?? 'not ready'}`;
  return { type, status: 'True', reason: 'PodsStarting', message };
}

function proxiesRolling({ context, observed }: ConditionInput): Verdict {
  const deployment = byName(observed.deployments, objectNames.proxy(context.name));
  const wanted = context.spec.proxy.replicas;
  const { observedGeneration, updatedReplicas = 0, readyReplicas = 0 } = deployment?.status ?? {};
  const seen = observedGeneration === deployment?.metadata.generation;
  if (deployment && seen && updatedReplicas >= wanted && readyReplicas >= wanted) return undefined;
  const message = `${updatedReplicas} of ${wanted} proxies are up to date, ${readyReplicas} are ready`;
  return { type, status: 'True', reason: 'ProxiesRolling', message };
}

function scalingDown({ scaleDowns }: ConditionInput): Verdict {
  const messages = scaleDowns.flatMap((one) => (one.kind === 'moving' ? [one.message] : []));
  if (messages.length === 0) return undefined;
  return { type, status: 'True', reason: 'ScalingDown', message: messages.join('; ') };
}

/** A roll that moves, or that needs a person, is told before what it causes. */
function rollMoving({ roll: { progress } }: ConditionInput): Verdict {
  if (progress.kind === 'rolling') {
    return { type, status: 'True', reason: 'RollingUpdate', message: progress.message };
  }
  if (progress.kind === 'clearingNodes') {
    return { type, status: 'True', reason: 'NodesLeaving', message: progress.message };
  }
  if (progress.kind === 'halted') {
    return { type, status: 'False', reason: 'UpdateHalted', message: progress.message };
  }
  return undefined;
}

/** A roll that stands is told after what it may wait for. */
function rollStanding({ roll: { progress } }: ConditionInput): Verdict {
  if (progress.kind === 'waiting') {
    return { type, status: 'True', reason: 'UpdateWaiting', message: progress.message };
  }
  if (progress.kind === 'paused') {
    return { type, status: 'False', reason: 'UpdatePaused', message: progress.message };
  }
  return undefined;
}

function volumesGrowing({ context, virtualStorages }: ConditionInput): Verdict {
  const growing = virtualStorages.flatMap(({ name, storages }) => {
    const wanted = context.spec.virtualStorages.find((one) => one.name === name)?.volume.size;
    return storages.filter(
      ({ volumeSize }) =>
        wanted !== undefined &&
        volumeSize !== undefined &&
        compareQuantities(volumeSize, wanted) < 0,
    );
  });
  if (growing.length === 0) return undefined;
  const parts = growing.map(({ name, volumeSize }) => `${name} (${volumeSize})`);
  const message = `volumes are smaller than the spec says: ${listOf(parts)}; if they do not grow, look at the claims' events`;
  return { type, status: 'True', reason: 'VolumesGrowing', message };
}
