import { assertNever } from '../../base/errors.ts';
import type { ConditionVerdict } from '../../api/conditions.ts';
import { objectNames } from '../../api/names.ts';
import { compareQuantities } from '../../api/quantity.ts';
import { byName } from '../observed-cluster.ts';
import { listOf, readyStorages, type ConditionInput } from './status-input.ts';

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
        podsStarting(input) ??
        proxiesRolling(input) ??
        podsOutdated(input) ??
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

function podsOutdated({ virtualStorages }: ConditionInput): Verdict {
  const outdated = virtualStorages
    .flatMap(({ storages }) => storages)
    .filter((storage) => storage.outdated === true);
  const [first] = outdated;
  if (!first) return undefined;
  const names = listOf(outdated.map(({ name }) => name));
  const message =
    `${names} run an older revision. While DataSafe is True, delete one pod (kubectl delete pod ` +
    `${first.name}), wait until DataSafe is True again, and go on with the next`;
  return { type, status: 'True', reason: 'PodsOutdated', message };
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
