import {
  DeleteRefsErrorSchema,
  RefService,
  type DeleteRefsRequest,
} from '../../../src/gen/gitaly/ref_pb.ts';
import { revisionFault } from '../git/ref-names.ts';
import { RefUpdater } from '../git/ref-updater.ts';
import { UpdateRefError } from '../git/update-ref-errors.ts';
import { type Handler, unary } from '../grpc/handler.ts';
import { Code, RpcError, wrapError } from '../grpc/status.ts';
import { Phase, voteOf } from '../votes/transaction.ts';
import { type ServiceContext, invalidArgument } from './context.ts';
import { detail } from './error-details.ts';

const zeroId = '0'.repeat(40);

/** RefService/DeleteRefs. Git's hook is no help here: deletions that check nothing are not voted on. */
export function deleteRefsHandler(context: ServiceContext): Handler {
  const { git, storages } = context;
  return unary(RefService.method.deleteRefs, async (request, call) => {
    const repository = await storages.find(request.repository);
    checkRequest(request);
    const references = await chooseReferences(context, repository.path, request);
    refuseBadNames(references);
    const transaction = context.transactionOf(call);
    const hash = voteOf(Buffer.from(references.map((name) => `${name}\n`).join(''), 'latin1'));
    const vote = async (phase: Phase, name: string) => {
      await transaction.vote(phase, hash, 'server').catch((error: unknown) => {
        throw wrapError(Code.INTERNAL, `${name} vote`, error);
      });
    };
    const updater = await RefUpdater.start(git, repository.path, { signal: call.signal });
    try {
      for (const reference of references) {
        updater.queue({ reference, newId: zeroId, oldId: undefined });
      }
      await vote(Phase.PREPARING_PHASE, 'preparing');
      await updater.prepare();
      await vote(Phase.PREPARED_PHASE, 'prepared');
      await updater.commit();
      await vote(Phase.COMMITTED_PHASE, 'committing');
    } catch (error) {
      throw error instanceof UpdateRefError ? statusOf(error) : error;
    } finally {
      await updater.close();
    }
    return {};
  });
}

function checkRequest({ exceptWithPrefix, refs }: DeleteRefsRequest): void {
  if (exceptWithPrefix.length > 0 && refs.length > 0) {
    throw invalidArgument('ExceptWithPrefix and Refs are mutually exclusive');
  }
  if (exceptWithPrefix.length === 0 && refs.length === 0) {
    throw invalidArgument('empty ExceptWithPrefix and Refs');
  }
  if (exceptWithPrefix.some((prefix) => prefix.length === 0)) {
    throw invalidArgument('empty prefix for exclusion');
  }
  if (refs.some((name) => name.length === 0)) throw invalidArgument('empty ref');
}

/** Names in latin1, which keeps every byte. */
async function chooseReferences(
  { git }: ServiceContext,
  repository: string,
  { exceptWithPrefix, refs }: DeleteRefsRequest,
): Promise<string[]> {
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1');
  if (refs.length > 0) return refs.map(text);
  const kept = exceptWithPrefix.map(text);
  const output = await git.output(repository, ['for-each-ref', '--format=%(refname)']);
  const names = output.toString('latin1').split('\n');
  return names.filter((name) => name !== '' && !kept.some((prefix) => name.startsWith(prefix)));
}

function refuseBadNames(references: readonly string[]): void {
  const bad = references.filter((name) => revisionFault(name) !== undefined);
  if (bad.length === 0) return;
  const value = { refs: bad.map((name) => Buffer.from(name, 'latin1')) };
  throw new RpcError(Code.INVALID_ARGUMENT, 'invalid references', [
    detail(DeleteRefsErrorSchema, { error: { case: 'invalidFormat', value } }),
  ]);
}

function statusOf(error: UpdateRefError): RpcError {
  if (error.failure.kind !== 'locked') {
    return new RpcError(Code.INTERNAL, `unable to prepare: ${error.message}`);
  }
  const value = { refs: [Buffer.from(error.failure.reference)] };
  return new RpcError(Code.ABORTED, 'cannot lock references', [
    detail(DeleteRefsErrorSchema, { error: { case: 'referencesLocked', value } }),
  ]);
}
