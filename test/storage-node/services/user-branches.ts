import {
  OperationService,
  type UserCreateBranchRequest,
  type UserDeleteBranchRequest,
  UserDeleteBranchErrorSchema,
} from '../../../src/gen/gitaly/operations_pb.ts';
import { parseCommit } from '../git/commits.ts';
import { resolveRevision } from '../git/revisions.ts';
import type { LocalRepository } from '../git/storages.ts';
import { type Handler, unary } from '../grpc/handler.ts';
import { Code, RpcError } from '../grpc/status.ts';
import type { NotAllowedError } from '../hooks/write-hooks.ts';
import { type ServiceContext, invalidArgument } from './context.ts';
import { detail } from './error-details.ts';
import { updateAsUser } from './user-update.ts';

const { method } = OperationService;

const zeroId = '0'.repeat(40);

/** OperationService/UserCreateBranch and UserDeleteBranch. */
export function userBranchHandlers(context: ServiceContext): Handler[] {
  const { git, storages } = context;
  return [
    unary(method.userCreateBranch, async (request, call) => {
      const repository = await storages.find(request.repository);
      checkCreation(request);
      const startPoint = Buffer.from(request.startPoint).toString();
      const newId = await resolveRevision(git, repository.path, `${startPoint}^{commit}`);
      if (newId === undefined) {
        throw new RpcError(Code.FAILED_PRECONDITION, `revspec '${startPoint}' not found`);
      }
      const reference = branchReference(request.branchName);
      const { user } = request;
      const update = { repository, user, reference, oldId: zeroId, newId };
      const failure = await updateAsUser(context, update, call);
      if (failure?.kind === 'update refused') {
        throw new RpcError(Code.FAILED_PRECONDITION, failure.message);
      }
      if (failure) throw otherFailure(failure);
      const content = await git.output(repository.path, ['cat-file', 'commit', newId]);
      return { branch: { name: request.branchName, targetCommit: parseCommit(newId, content) } };
    }),

    unary(method.userDeleteBranch, async (request, call) => {
      const repository = await storages.find(request.repository);
      checkDeletion(request);
      const reference = branchReference(request.branchName);
      const oldId = await currentValue(context, repository, reference, request);
      const update = { repository, user: request.user, reference, oldId, newId: zeroId };
      const failure = await updateAsUser(context, update, call);
      switch (failure?.kind) {
        case undefined:
          return {};
        case 'not allowed': {
          const text = `deletion denied by access checks: ${failure.message}`;
          const value = accessCheckError(failure.error);
          throw new RpcError(Code.PERMISSION_DENIED, text, [
            detail(UserDeleteBranchErrorSchema, { error: { case: 'accessCheck', value } }),
          ]);
        }
        case 'update refused': {
          const text = `reference update failed: ${failure.message}`;
          const value = { referenceName: Buffer.from(reference), oldOid: oldId, newOid: zeroId };
          throw new RpcError(Code.FAILED_PRECONDITION, text, [
            detail(UserDeleteBranchErrorSchema, { error: { case: 'referenceUpdate', value } }),
          ]);
        }
        case 'failed': {
          const { status, message } = failure;
          throw new RpcError(status?.code ?? Code.INTERNAL, `deleting reference: ${message}`);
        }
      }
    }),
  ];
}

/** gitaly.AccessCheckError. */
export function accessCheckError({ reason, pusher, changes }: NotAllowedError) {
  return { errorMessage: reason, protocol: pusher.protocol, userId: pusher.glId, changes };
}

/** The full name of a branch. */
export function branchReference(name: Uint8Array): string {
  return `refs/heads/${Buffer.from(name).toString()}`;
}

async function currentValue(
  { git }: ServiceContext,
  { path }: LocalRepository,
  reference: string,
  { branchName, expectedOldOid }: UserDeleteBranchRequest,
): Promise<string> {
  if (expectedOldOid !== '') {
    const id = await resolveRevision(git, path, `${expectedOldOid}^{object}`);
    if (id === undefined) {
      throw invalidArgument('cannot resolve expected old object ID: reference not found');
    }
    return id;
  }
  const id = await resolveRevision(git, path, reference);
  if (id !== undefined) return id;
  const name = JSON.stringify(Buffer.from(branchName).toString());
  throw new RpcError(Code.FAILED_PRECONDITION, `branch not found: ${name}`);
}

function checkCreation({ branchName, user, startPoint }: UserCreateBranchRequest): void {
  if (branchName.length === 0) throw invalidArgument('empty branch name');
  if (!user) throw invalidArgument('empty user');
  if (startPoint.length === 0) throw invalidArgument('empty start point');
}

function checkDeletion({ branchName, user }: UserDeleteBranchRequest): void {
  if (branchName.length === 0) throw invalidArgument('bad request: empty branch name');
  if (!user) throw invalidArgument('bad request: empty user');
}

function otherFailure(failure: { message: string; status?: RpcError | undefined }): RpcError {
  return new RpcError(failure.status?.code ?? Code.INTERNAL, failure.message);
}
