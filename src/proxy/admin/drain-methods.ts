import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  AdminService,
  type CallGrace,
  type DrainSchema,
} from '../../gen/gitaly_operator/v1/admin_pb.ts';
import { statusCodes } from '../../rpc/status.ts';
import { drainProgress, type DrainProgress } from '../drain/drain-progress.ts';
import type { RelayContext } from '../relay/context.ts';
import { LocalCallError, unaryMethod, type LocalMethod } from '../relay/local-method.ts';
import type { ControlStore } from '../store/control-store.ts';
import { callClasses, type CallClass, type Graces } from '../store/drain-board.ts';
import { storageKeyOf } from './storage-key.ts';

/** What people read in a table may have so many characters. */
const maxRequesterLength = 63;
const maxReasonLength = 500;
/** A week. */
const maxGraceMs = 604_800_000;

/** The methods of AdminService with which somebody asks for drains. */
export function drainMethods(context: RelayContext): readonly LocalMethod[] {
  return [
    unaryMethod(AdminService.method.requestDrain, async (request) => {
      const key = storageKeyOf(request, context.storages);
      const { requester, reason } = checked(request);
      const graces = readGraces(request.graces);
      await context.store.drains.request({ ...key, requester, reason, graces });
      return {};
    }),
    unaryMethod(AdminService.method.cancelDrain, async (request) => {
      const { virtualStorage, storage, requester } = request;
      await context.store.drains.cancel({ virtualStorage, storage }, requester);
      return {};
    }),
  ];
}

interface Request {
  readonly requester: string;
  readonly reason: string;
}

/** @throws LocalCallError INVALID_ARGUMENT */
function checked<T extends Request>(request: T): T {
  const { requester, reason } = request;
  if (requester.length < 1 || requester.length > maxRequesterLength) {
    throw invalid(`the requester needs a name of 1 to ${maxRequesterLength} characters`);
  }
  if (reason.length < 1 || reason.length > maxReasonLength) {
    throw invalid(`the reason is a text of 1 to ${maxReasonLength} characters`);
  }
  return request;
}

/** @throws LocalCallError INVALID_ARGUMENT */
function readGraces(given: readonly CallGrace[]): Graces {
  const graces: Partial<Record<CallClass, number>> = {};
  for (const { class: name, ms } of given) {
    const callClass = callClasses.find((known) => known === name);
    if (callClass === undefined) {
      throw invalid(`there are no calls of class ${name}: write one of ${callClasses.join(', ')}`);
    }
    if (graces[callClass] !== undefined) throw invalid(`there are two graces of class ${name}`);
    if (ms < 0n || ms > maxGraceMs) throw invalid(`a grace is one of 0 to ${maxGraceMs} ms`);
    graces[callClass] = Number(ms);
  }
  return graces;
}

function invalid(message: string): LocalCallError {
  return new LocalCallError(statusCodes.INVALID_ARGUMENT, message);
}

/**
 * How far the drains are, as the store knows it.
 *
 * @throws StoreUnavailableError
 */
export async function drainsInProgress(
  store: Pick<ControlStore, 'drains' | 'liveOwners'>,
): Promise<readonly DrainProgress[]> {
  const requests = await store.drains.list();
  if (requests.length === 0) return [];
  const [reports, live] = await Promise.all([store.drains.reports(), store.liveOwners()]);
  return drainProgress(requests, reports, live.keys());
}

/** A drain as GetStatus tells it. */
export function describeDrain(drain: DrainProgress): MessageInitShape<typeof DrainSchema> {
  const { requests, unaware, calls, isDrained: drained } = drain;
  return {
    requesters: requests.map(({ requester, reason, requestedAtMs, graces }) => ({
      requester,
      reason,
      requestedAtMs: BigInt(requestedAtMs),
      graces: Object.entries(graces).map(([name, ms]) => ({ class: name, ms: BigInt(ms) })),
    })),
    unaware: [...unaware],
    calls: calls.map((left) => ({
      class: left.class,
      count: BigInt(left.count),
      oldestMs: BigInt(left.oldestMs),
      oldestRepository: left.oldestRepository,
    })),
    drained,
  };
}
