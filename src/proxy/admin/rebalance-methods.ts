import { assertNever } from '../../base/errors.ts';
import { AdminService, type MoveReplicaRequest } from '../../gen/gitaly_operator/v1/admin_pb.ts';
import { statusCodes } from '../../rpc/status.ts';
import type { RelayContext } from '../relay/context.ts';
import {
  LocalCallError,
  streamingMethod,
  unaryMethod,
  type LocalMethod,
} from '../relay/local-method.ts';
import { repositoryNotFound } from '../relay/target.ts';
import { isBeingCreated } from '../relay/write-admission.ts';
import { moveRefusal } from '../routing/replica-move.ts';
import { moveOf } from '../routing/repository-record.ts';
import type { RecordChange } from '../transactions/record-change.ts';
import { beginMove } from '../transactions/replica-move.ts';
import { planRebalance } from './rebalance-plan-method.ts';
import { storageKeyOf } from './storage-key.ts';

/** The methods of AdminService that move what is there to other storages. */
export function rebalanceMethods(context: RelayContext): readonly LocalMethod[] {
  return [
    streamingMethod(AdminService.method.planRebalance, (request, signal) =>
      planRebalance(request, context, signal),
    ),
    unaryMethod(AdminService.method.moveReplica, async (request, { trace }) => {
      trace.virtualStorage = request.virtualStorage;
      trace.relativePath = request.relativePath;
      await moveReplica(request, context);
      return {};
    }),
  ];
}

/** Resolves when it is recorded, also if it was before. Repair does the rest. */
async function moveReplica(
  { virtualStorage: name, relativePath, from, to }: MoveReplicaRequest,
  { storages, view, logger }: RelayContext,
): Promise<void> {
  for (const storage of [from, to]) storageKeyOf({ virtualStorage: name, storage }, storages);
  const virtualStorage = storages.get(name);
  const record = await view.refresh({ virtualStorage: name, relativePath });
  if (virtualStorage === undefined || record === undefined || isBeingCreated(record)) {
    throw repositoryNotFound();
  }
  const move = { from, to };
  const underWay = moveOf(record);
  if (underWay?.from === from && underWay.to === to) return;
  const outcome = await view.change(record, (current): RecordChange<string> => {
    const reason = moveRefusal(current, move, virtualStorage.nodes(), virtualStorage.policy);
    return reason === undefined ? beginMove(current, move) : { kind: 'refuse', reason };
  });
  switch (outcome.kind) {
    case 'removed':
      throw repositoryNotFound();
    case 'refused':
      throw new LocalCallError(statusCodes.FAILED_PRECONDITION, outcome.reason);
    case 'changed':
      logger.info({ id: record.id, relativePath, ...move }, 'a replica is to be moved');
      return;
    default:
      assertNever(outcome);
  }
}
