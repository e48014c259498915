import type { GitalyClient } from '../../src/client/gitaly-client.ts';
import { UserCommitFilesActionHeader_ActionType } from '../../src/gen/gitaly/operations_pb.ts';

const user = {
  id: Buffer.from('1'),
  name: Buffer.from('Test'),
  email: Buffer.from('test@example.com'),
  glId: 'user-1',
  timezone: '+0000',
};

export interface CommitFileOptions {
  readonly repository: { readonly storageName: string; readonly relativePath: string };
  readonly branch: string;
  /** The commit's message, the new file's contents, and its name before `.txt`. */
  readonly text: string;
}

/** Adds a file to a branch, which is made if it is missing, and returns the commit's id. */
export async function commitFile(
  client: GitalyClient,
  { repository, branch, text }: CommitFileOptions,
): Promise<string> {
  const call = await client.operation.userCommitFiles();
  await call.write({
    userCommitFilesRequestPayload: {
      case: 'header',
      value: {
        repository,
        user,
        branchName: Buffer.from(branch),
        commitMessage: Buffer.from(text),
        timestamp: { seconds: 1_700_000_000n, nanos: 0 },
      },
    },
  });
  const { CREATE } = UserCommitFilesActionHeader_ActionType;
  const header = { action: CREATE, filePath: Buffer.from(`${text}.txt`) };
  await call.write({
    userCommitFilesRequestPayload: {
      case: 'action',
      value: { userCommitFilesActionPayload: { case: 'header', value: header } },
    },
  });
  await call.write({
    userCommitFilesRequestPayload: {
      case: 'action',
      value: { userCommitFilesActionPayload: { case: 'content', value: Buffer.from(text) } },
    },
  });
  const { branchUpdate } = await call.finish();
  return branchUpdate?.commitId ?? '';
}
