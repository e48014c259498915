import { IndexError_ErrorType as ErrorType } from '../../../src/gen/gitaly/errors_pb.ts';
import {
  OperationService,
  UserCommitFilesErrorSchema,
  type UserCommitFilesRequest,
  type UserCommitFilesRequestHeader,
} from '../../../src/gen/gitaly/operations_pb.ts';
import { CommitWriter, type Signature } from '../git/commit-writer.ts';
import { ObjectQuarantine } from '../git/quarantine.ts';
import { resolveRevision } from '../git/revisions.ts';
import type { LocalRepository } from '../git/storages.ts';
import { applyEdits, TreeEditError, type TreeFault } from '../git/tree-edits.ts';
import { clientStreaming, type Handler } from '../grpc/handler.ts';
import type { CallContext } from '../grpc/server-call.ts';
import { Code, RpcError } from '../grpc/status.ts';
import { readEdits } from './commit-actions.ts';
import { type ServiceContext, invalidArgument } from './context.ts';
import { detail } from './error-details.ts';
import { accessCheckError, branchReference } from './user-branches.ts';
import { updateAsUser, type UserUpdateFailure } from './user-update.ts';

const zeroId = '0'.repeat(40);

/** OperationService/UserCommitFiles: one commit out of a list of file changes. */
export function userCommitFilesHandler(context: ServiceContext): Handler {
  return clientStreaming(OperationService.method.userCommitFiles, async (requests, call) => {
    const first = await requests.next();
    const payload = first.done ? undefined : first.value.userCommitFilesRequestPayload;
    if (payload?.case !== 'header') throw invalidArgument('empty UserCommitFilesRequestHeader');
    const header = payload.value;
    const repository = await context.storages.find(header.repository);
    checkHeader(header);
    const quarantine = await ObjectQuarantine.create(context.storages, repository);
    try {
      return await commitFiles(context, { header, repository, quarantine }, requests, call);
    } catch (error) {
      throw error instanceof TreeEditError ? statusOfEdit(error) : error;
    } finally {
      await quarantine.remove();
    }
  });
}

interface Commission {
  readonly header: UserCommitFilesRequestHeader;
  readonly repository: LocalRepository;
  readonly quarantine: ObjectQuarantine;
}

async function commitFiles(
  context: ServiceContext,
  { header, repository, quarantine }: Commission,
  requests: AsyncIterable<UserCommitFilesRequest>,
  call: CallContext,
) {
  const { git } = context;
  const reference = branchReference(header.branchName);
  const target = await resolveRevision(git, repository.path, `${reference}^{commit}`);
  const parent = await parentOf(context, repository, header, target);
  const writer = new CommitWriter(git, repository.path, quarantine);
  const edits = await readEdits(requests, writer);
  const files = parent === undefined ? new Map() : await writer.readFiles(parent);
  const tree = await writer.writeTree(applyEdits(files, edits));
  const committer = committerOf(header);
  const author = authorOf(header, committer);
  const message = header.commitMessage;
  const newId = await writer.writeCommit({ tree, parent, author, committer, message });
  const hadBranches = await hasBranches(context, repository);
  const oldId = oldValue(header, target, parent);
  const failure = await updateAsUser(
    context,
    {
      repository,
      user: header.user,
      reference,
      oldId,
      newId,
      quarantine: { folders: quarantine, migrate: () => quarantine.migrate() },
    },
    call,
  );
  if (failure) throw statusOfUpdate(failure);
  const branchCreated = oldId === zeroId;
  return { branchUpdate: { commitId: newId, repoCreated: !hadBranches, branchCreated } };
}

function checkHeader({ user, commitMessage, branchName }: UserCommitFilesRequestHeader): void {
  if (!user) throw invalidArgument('empty User');
  if (commitMessage.length === 0) throw invalidArgument('empty CommitMessage');
  if (branchName.length === 0) throw invalidArgument('empty BranchName');
}

async function parentOf(
  { git }: ServiceContext,
  { path }: LocalRepository,
  { startSha, startBranchName }: UserCommitFilesRequestHeader,
  target: string | undefined,
): Promise<string | undefined> {
  const start = startSha !== '' ? startSha : undefined;
  if (start === undefined && startBranchName.length === 0) return target;
  const revision = start ?? branchReference(startBranchName);
  const id = await resolveRevision(git, path, `${revision}^{commit}`);
  if (id === undefined) {
    throw new RpcError(Code.INTERNAL, 'resolve parent commit: reference not found');
  }
  return id;
}

function oldValue(
  { expectedOldOid, force }: UserCommitFilesRequestHeader,
  target: string | undefined,
  parent: string | undefined,
): string {
  if (expectedOldOid !== '') return expectedOldOid;
  if (target === undefined) return zeroId;
  return force ? target : (parent ?? zeroId);
}

function committerOf({ user, timestamp }: UserCommitFilesRequestHeader): Signature {
  const text = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString();
  const seconds = timestamp?.seconds ?? BigInt(Math.floor(Date.now() / 1000));
  const offset = offsetOf(user?.timezone ?? '', seconds);
  return { name: text(user?.name), email: text(user?.email), seconds, offset };
}

function authorOf(header: UserCommitFilesRequestHeader, committer: Signature): Signature {
  const name = Buffer.from(header.commitAuthorName).toString().trim();
  const email = Buffer.from(header.commitAuthorEmail).toString().trim();
  return { ...committer, name: name || committer.name, email: email || committer.email };
}

/** The offset of a named zone at a time, like `+0200`; UTC if there is no such zone. */
function offsetOf(timezone: string, seconds: bigint): string {
  try {
    const format = new Intl.DateTimeFormat('en', {
      timeZone: timezone || 'UTC',
      timeZoneName: 'longOffset',
    });
    const parts = format.formatToParts(new Date(Number(seconds) * 1000));
    const zone = parts.find(({ type }) => type === 'timeZoneName')?.value ?? '';
    return zone.replace('GMT', '').replace(':', '') || '+0000';
  } catch {
    return '+0000';
  }
}

async function hasBranches({ git }: ServiceContext, { path }: LocalRepository): Promise<boolean> {
  const output = await git.output(path, ['for-each-ref', '--count=1', 'refs/heads/']);
  return output.length > 0;
}

function statusOfUpdate(failure: UserUpdateFailure): RpcError {
  switch (failure.kind) {
    case 'not allowed': {
      const text = `denied by access checks: update reference: ${failure.message}`;
      const value = accessCheckError(failure.error);
      return new RpcError(Code.PERMISSION_DENIED, text, [
        detail(UserCommitFilesErrorSchema, { error: { case: 'accessCheck', value } }),
      ]);
    }
    case 'update refused':
      return new RpcError(Code.FAILED_PRECONDITION, failure.message);
    case 'failed': {
      const { status, message } = failure;
      return new RpcError(status?.code ?? Code.INTERNAL, `update reference: ${message}`);
    }
  }
}

interface EditStatus {
  readonly code: Code;
  readonly type: ErrorType;
  readonly text: string;
}

const editStatuses: Readonly<Record<TreeFault, EditStatus>> = {
  'folder exists': {
    code: Code.ALREADY_EXISTS,
    type: ErrorType.DIRECTORY_EXISTS,
    text: 'A directory with this name already exists',
  },
  traversal: {
    code: Code.INVALID_ARGUMENT,
    type: ErrorType.DIRECTORY_TRAVERSAL,
    text: 'Path cannot include directory traversal',
  },
  'empty path': {
    code: Code.INVALID_ARGUMENT,
    type: ErrorType.EMPTY_PATH,
    text: 'You must provide a file path',
  },
  'file exists': {
    code: Code.ALREADY_EXISTS,
    type: ErrorType.FILE_EXISTS,
    text: 'A file with this name already exists',
  },
  'file not found': {
    code: Code.NOT_FOUND,
    type: ErrorType.FILE_NOT_FOUND,
    text: "A file with this name doesn't exist",
  },
  'invalid path': {
    code: Code.INVALID_ARGUMENT,
    type: ErrorType.INVALID_PATH,
    text: 'invalid path',
  },
};

function statusOfEdit({ fault, path }: TreeEditError): RpcError {
  const { code, type, text } = editStatuses[fault];
  const message = fault === 'invalid path' ? `${text}: ${JSON.stringify(path)}` : text;
  const value = { path: Buffer.from(path), errorType: type };
  return new RpcError(code, message, [
    detail(UserCommitFilesErrorSchema, { error: { case: 'indexUpdate', value } }),
  ]);
}
