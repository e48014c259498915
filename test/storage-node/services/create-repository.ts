import {
  RepositoryService,
  type CreateRepositoryRequest,
} from '../../../src/gen/gitaly/repository_pb.ts';
import { ObjectFormat } from '../../../src/gen/gitaly/shared_pb.ts';
import { createRepository } from '../git/creation.ts';
import { type Handler, unary } from '../grpc/handler.ts';
import type { CallContext } from '../grpc/server-call.ts';
import { Code, wrapError } from '../grpc/status.ts';
import type { ServiceContext } from './context.ts';

/** RepositoryService/CreateRepository. */
export function createRepositoryHandler(context: ServiceContext): Handler {
  return unary(RepositoryService.method.createRepository, (request, call) =>
    serve(context, request, call),
  );
}

async function serve(context: ServiceContext, request: CreateRepositoryRequest, call: CallContext) {
  const { git, storages } = context;
  const repository = storages.locate(request.repository);
  try {
    await createRepository({
      git,
      storages,
      repository,
      transaction: context.transactionOf(call),
      signal: call.signal,
      branch: Buffer.from(request.defaultBranch).toString(),
      objectFormat: request.objectFormat === ObjectFormat.SHA256 ? 'sha256' : 'sha1',
    });
  } catch (error) {
    throw wrapError(Code.INTERNAL, 'creating repository', error);
  }
  return {};
}
