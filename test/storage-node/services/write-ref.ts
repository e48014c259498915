import { RepositoryService, type WriteRefRequest } from '../../../src/gen/gitaly/repository_pb.ts';
import { revisionFault } from '../git/ref-names.ts';
import { RefUpdater } from '../git/ref-updater.ts';
import type { LocalRepository } from '../git/storages.ts';
import { UpdateRefError } from '../git/update-ref-errors.ts';
import { resolveRevision } from '../git/revisions.ts';
import { type Handler, unary } from '../grpc/handler.ts';
import type { CallContext } from '../grpc/server-call.ts';
import { Code, RpcError } from '../grpc/status.ts';
import { gitHooks } from '../hooks/git-hooks.ts';
import { WriteHooks } from '../hooks/write-hooks.ts';
import { type ServiceContext, invalidArgument } from './context.ts';
import { setDefaultBranch } from './default-branch.ts';
import { referenceNotFound } from './error-details.ts';

/** RepositoryService/WriteRef. */
export function writeRefHandler(context: ServiceContext): Handler {
  return unary(RepositoryService.method.writeRef, async (request, call) => {
    const repository = await context.storages.find(request.repository);
    const { reference, revision, oldRevision } = readRequest(request);
    if (reference === 'HEAD') await setDefaultBranch(context, repository, revision, call);
    else await updateReference(context, repository, { reference, revision, oldRevision }, call);
    return {};
  });
}

interface Update {
  readonly reference: string;
  readonly revision: string;
  readonly oldRevision: string;
}

function readRequest(request: WriteRefRequest): Update {
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();
  const update = {
    reference: text(request.ref),
    revision: text(request.revision),
    oldRevision: text(request.oldRevision),
  };
  const fault = (what: string, revision: string) => {
    const reason = revisionFault(revision);
    if (reason !== undefined) throw invalidArgument(`invalid ${what}: ${reason}`);
  };
  fault('ref', update.reference);
  fault('revision', update.revision);
  if (update.oldRevision !== '') fault('OldRevision', update.oldRevision);
  if (update.reference !== 'HEAD' && !update.reference.startsWith('refs/')) {
    throw invalidArgument('ref has to be a full reference');
  }
  return update;
}

async function updateReference(
  context: ServiceContext,
  repository: LocalRepository,
  update: Update,
  call: CallContext,
): Promise<void> {
  const { git, gitlab } = context;
  const resolve = async (revision: string, which: string) => {
    if (/^0+$/.test(revision)) return revision;
    const id = await resolveRevision(git, repository.path, `${revision}^{object}`);
    if (id === undefined) throw referenceNotFound(`resolving ${which} revision`, revision);
    return id;
  };
  const newId = await resolve(update.revision, 'new');
  const oldId = update.oldRevision === '' ? undefined : await resolve(update.oldRevision, 'old');
  const transaction = context.transactionOf(call);
  const hooks = new WriteHooks({ repository, transaction, gitlab, caster: 'hook' });
  const updater = await RefUpdater.start(git, repository.path, {
    signal: call.signal,
    hooks: gitHooks(hooks),
  });
  try {
    updater.queue({ reference: update.reference, newId, oldId });
    await updater.commit();
  } catch (error) {
    if (!(error instanceof UpdateRefError)) throw error;
    if (error.failure.kind === 'locked') {
      throw new RpcError(Code.ABORTED, 'reference is locked already');
    }
    throw new RpcError(Code.INTERNAL, `error when running update-ref command: ${error.message}`);
  } finally {
    await updater.close();
  }
}
