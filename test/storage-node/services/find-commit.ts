import { CommitService } from '../../../src/gen/gitaly/commit_pb.ts';
import { parseCommit } from '../git/commits.ts';
import { revisionFault } from '../git/ref-names.ts';
import { type Handler, unary } from '../grpc/handler.ts';
import { resolveRevision } from '../git/revisions.ts';
import { type ServiceContext, invalidArgument } from './context.ts';

/** CommitService/FindCommit: an empty response for a revision that does not exist. */
export function findCommitHandler({ git, storages }: ServiceContext): Handler {
  return unary(CommitService.method.findCommit, async (request) => {
    const { path, quarantine: env } = storages.locate(request.repository);
    const revision = Buffer.from(request.revision).toString();
    const fault = revisionFault(revision);
    if (fault !== undefined) throw invalidArgument(fault);
    await storages.find(request.repository);
    const id = await resolveRevision(git, path, `${revision}^{commit}`, env);
    if (id === undefined) return {};
    return { commit: parseCommit(id, await git.output(path, ['cat-file', 'commit', id], { env })) };
  });
}
