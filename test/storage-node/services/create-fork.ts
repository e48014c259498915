import { RepositoryService } from '../../../src/gen/gitaly/repository_pb.ts';
import { FetchSource } from '../git/fetch-source.ts';
import { type Handler, unary } from '../grpc/handler.ts';
import { Code, wrapError } from '../grpc/status.ts';
import { type ServiceContext, invalidArgument } from './context.ts';
import { createFromSource } from './create-from-source.ts';
import { sourceNode } from './source-node.ts';

const branchPrefix = 'refs/heads/';
const tagPrefix = 'refs/tags/';

/**
 * RepositoryService/CreateFork: a new repository with the branches and tags of another, which is fetched from
 * wherever the metadata says that its storage is. Votes as every creation does.
 */
export function createForkHandler(context: ServiceContext): Handler {
  const { storages, clock, trusted } = context;
  return unary(RepositoryService.method.createFork, async (request, call) => {
    const { sourceRepository } = request;
    if (!sourceRepository)
      throw invalidArgument('validating source repository: repository not set');
    const repository = storages.locate(request.repository);
    const { signal } = call;
    const wanted = Buffer.from(request.revision).toString();
    if (wanted !== '' && !wanted.startsWith(branchPrefix)) {
      throw invalidArgument('creating fork: reference is not a branch');
    }
    try {
      const { address, token } = sourceNode(call, sourceRepository.storageName);
      const open = { address, token, repository: sourceRepository, trusted, clock, signal };
      const source = await FetchSource.open(open);
      try {
        const { head, objectFormat, references } = await source.references();
        if (wanted !== '' && !references.has(wanted)) throw new Error(`no branch ${wanted}`);
        const branch = (wanted === '' ? head : wanted)?.slice(branchPrefix.length) ?? 'main';
        const include = (name: string) =>
          wanted === ''
            ? name.startsWith(branchPrefix) || name.startsWith(tagPrefix)
            : name === wanted;
        const creation = { repository, branch, objectFormat, include };
        await createFromSource(context, call, source, creation);
      } finally {
        await source.close();
      }
    } catch (error) {
      throw wrapError(Code.INTERNAL, 'creating fork', error);
    }
    return {};
  });
}
