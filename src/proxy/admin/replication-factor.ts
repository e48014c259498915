import { assertNever } from '../../base/errors.ts';
import type { Random } from '../../base/random.ts';
import { statusCodes } from '../../rpc/status.ts';
import type { RelayContext } from '../relay/context.ts';
import { LocalCallError } from '../relay/local-method.ts';
import { isBeingCreated } from '../relay/write-admission.ts';
import type { NodeStatus } from '../routing/node-view.ts';
import { chooseStorages } from '../routing/placement.ts';
import { isPoolPath } from '../routing/replica-path.ts';
import type { RepositoryRecord } from '../routing/repository-record.ts';
import {
  assignedStorages,
  changeReplicaCount,
  type ReplicaCountRefusal,
} from '../transactions/replica-count.ts';
import type { VirtualStorage } from '../upstream/storage-directory.ts';

/**
 * Gives one repository more replicas than its virtual storage asks for, or takes such away again. Resolves when it is
 * recorded; repair then makes them, or removes them.
 *
 * @returns the storages that are to hold the repository, by name
 * @throws LocalCallError with the texts of Praefect, where it says the same
 */
export async function setReplicationFactor(
  request: {
    readonly virtualStorage: string;
    readonly relativePath: string;
    readonly replicationFactor: number;
  },
  context: RelayContext,
): Promise<readonly string[]> {
  const { virtualStorage: name, relativePath, replicationFactor: count } = request;
  const { storages, view, random, logger } = context;
  const virtualStorage = storages.get(name);
  if (virtualStorage === undefined) throw invalid(`virtual storage "${name}" not found`);
  checkCount(count, virtualStorage);
  const key = { virtualStorage: name, relativePath };
  const record = await view.refresh(key);
  if (record === undefined || isBeingCreated(record)) {
    throw invalid(`repository "${name}"/"${relativePath}" not found`);
  }
  if (count < assignedStorages(record).length && isPoolPath(relativePath)) {
    throw refused('an object pool keeps its replicas: forks on their storages need them');
  }
  const { minInSyncReplicas } = virtualStorage.policy;
  const candidates = byPreference(record, virtualStorage, random);
  const outcome = await view.change(record, (current) =>
    changeReplicaCount(current, count, { candidates, minInSyncReplicas }),
  );
  switch (outcome.kind) {
    case 'removed':
      throw invalid(`repository "${name}"/"${relativePath}" not found`);
    case 'refused':
      if (outcome.reason === 'already') break;
      throw explain(outcome.reason);
    case 'changed':
      logger.info(
        { id: record.id, relativePath, count },
        'a repository gets another number of replicas',
      );
      await view.departuresKnown(outcome.record);
      break;
    default:
      assertNever(outcome);
  }
  return assignedStorages(outcome.record).toSorted();
}

function checkCount(count: number, { policy, storages }: VirtualStorage): void {
  const attempt = `attempted to set replication factor ${count} but`;
  if (count < 1) throw invalid(`${attempt} minimum is 1`);
  if (count > storages.length) {
    throw invalid(`${attempt} virtual storage only contains ${storages.length} storages`);
  }
  if (count < policy.replicationFactor) {
    throw refused(
      `${attempt} its virtual storage asks for ${policy.replicationFactor} replicas of each repository: ` +
        'lower replicationFactor there first',
    );
  }
}

/** Where further replicas go, one after the other: to healthy storages first, as {@link chooseStorages} says; to none that is decommissioned. */
function byPreference(
  record: RepositoryRecord,
  virtualStorage: VirtualStorage,
  random: Random,
): readonly string[] {
  const nodes = virtualStorage.nodes();
  const assigned = assignedStorages(record).flatMap((storage) => nodes.get(storage) ?? []);
  const others = [...nodes.values()].filter(
    (node) => !node.isDecommissioned && !assigned.includes(node),
  );
  const inOrder = (candidates: readonly NodeStatus[], holders: readonly NodeStatus[]) =>
    chooseStorages(candidates, candidates.length, { holders, random });
  const healthy = inOrder(
    others.filter((node) => node.healthy),
    assigned,
  );
  const unhealthy = inOrder(
    others.filter((node) => !node.healthy),
    [...assigned, ...healthy],
  );
  return [...healthy, ...unhealthy].map(({ storage }) => storage);
}

function explain(refusal: Exclude<ReplicaCountRefusal, 'already'>): LocalCallError {
  switch (refusal) {
    case 'tooFewStorages':
      return refused('a replica is still being removed from a storage that is needed: try again');
    case 'tooFewInSync':
      return refused('too few replicas would stay in sync: wait until the others are repaired');
    default:
      return assertNever(refusal);
  }
}

function invalid(message: string): LocalCallError {
  return new LocalCallError(statusCodes.INVALID_ARGUMENT, message);
}

function refused(message: string): LocalCallError {
  return new LocalCallError(statusCodes.FAILED_PRECONDITION, message);
}
