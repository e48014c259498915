import type { MethodInfo } from '../routing/method-table.ts';

/** How a method's writes are made durable. See {@link WriteCallOptions}. */
export interface WriteClass {
  readonly intent: 'beforeDispatch' | 'atDispatch' | 'atFirstVote';
  readonly changesNeedVotes: boolean;
  /** How much later than the others a storage may be. Default: seconds, since somebody waits. */
  readonly patienceMs?: number;
}

/** Pushes: the request takes as long as the client's line makes it, and every change is voted on. */
const pushes: ReadonlySet<string> = new Set([
  '/gitaly.SSHService/SSHReceivePack',
  '/gitaly.SmartHTTPService/PostReceivePack',
]);

/** Methods of which the recordings show a vote for every change. */
const alwaysVoting: ReadonlySet<string> = new Set([
  '/gitaly.OperationService/UserCreateBranch',
  '/gitaly.OperationService/UserUpdateBranch',
  '/gitaly.OperationService/UserDeleteBranch',
  '/gitaly.OperationService/UserCommitFiles',
  '/gitaly.OperationService/UserMergeBranch',
  '/gitaly.OperationService/UserCreateTag',
  '/gitaly.OperationService/UserDeleteTag',
  '/gitaly.OperationService/UserFFBranch',
  '/gitaly.OperationService/UserCherryPick',
  '/gitaly.OperationService/UserRevert',
  '/gitaly.OperationService/UserSquash',
  '/gitaly.RefService/DeleteRefs',
]);

/** Housekeeping is part of these, and takes each storage as long as its disk needs. */
const tidying: ReadonlySet<string> = new Set(['/gitaly.ObjectPoolService/FetchIntoObjectPool']);
const tidyingPatienceMs = 3_600_000;

/**
 * Jobs call what tidies up, and no person waits for it: a slow storage gets its time. One that hangs
 * is lost anyway, as soon as it fails its health checks.
 *
 * | class | intent | without a vote |
 * | --- | --- | --- |
 * | push | at the first vote, which comes when the pack is there | nothing has changed |
 * | always voting | while the nodes work | nothing has changed |
 * | all others, unknown ones among them | before the first node gets the call | contents are compared |
 */
export function writeClassOf(method: MethodInfo): WriteClass {
  if (pushes.has(method.name)) return { intent: 'atFirstVote', changesNeedVotes: true };
  if (alwaysVoting.has(method.name)) return { intent: 'atDispatch', changesNeedVotes: true };
  const patience = tidying.has(method.name) ? { patienceMs: tidyingPatienceMs } : {};
  return { intent: 'beforeDispatch', changesNeedVotes: false, ...patience };
}
