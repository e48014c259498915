import {
  type UserCommitFilesActionHeader,
  UserCommitFilesActionHeader_ActionType as ActionType,
  type UserCommitFilesRequest,
} from '../../../src/gen/gitaly/operations_pb.ts';
import type { CommitWriter } from '../git/commit-writer.ts';
import { cleanPath, type TreeEdit } from '../git/tree-edits.ts';
import { Code, RpcError } from '../grpc/status.ts';

interface Action {
  readonly header: UserCommitFilesActionHeader;
  readonly content: Uint8Array[];
}

/** The edits of a UserCommitFiles call; their contents are written as blobs. */
export async function readEdits(
  requests: AsyncIterable<UserCommitFilesRequest>,
  writer: CommitWriter,
): Promise<TreeEdit[]> {
  const actions = await collect(requests);
  const edits: TreeEdit[] = [];
  for (const action of actions) edits.push(await toEdit(action, writer));
  return edits;
}

async function collect(requests: AsyncIterable<UserCommitFilesRequest>): Promise<Action[]> {
  const actions: Action[] = [];
  for await (const { userCommitFilesRequestPayload: payload } of requests) {
    const action =
      payload.case === 'action' ? payload.value.userCommitFilesActionPayload : undefined;
    if (action?.case === 'header') actions.push({ header: action.value, content: [] });
    else if (action?.case === 'content') {
      const last = actions.at(-1);
      if (!last) throw new RpcError(Code.INTERNAL, 'content sent before action');
      last.content.push(action.value);
    } else throw new RpcError(Code.INTERNAL, 'unhandled action payload type');
  }
  return actions;
}

async function toEdit({ header, content }: Action, writer: CommitWriter): Promise<TreeEdit> {
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();
  const path = cleanPath(text(header.filePath));
  const executable = header.executeFilemode;
  const writeContent = async () => {
    const bytes = Buffer.concat(content);
    return writer.writeBlob(header.base64Content ? Buffer.from(bytes.toString(), 'base64') : bytes);
  };
  switch (header.action) {
    case ActionType.CREATE:
      return { kind: 'create', path, id: await writeContent(), executable };
    case ActionType.CREATE_DIR:
      return { kind: 'create folder', path, emptyId: await writer.writeBlob(Buffer.alloc(0)) };
    case ActionType.UPDATE:
      return { kind: 'update', path, id: await writeContent() };
    case ActionType.MOVE: {
      const from = cleanPath(text(header.previousPath));
      return {
        kind: 'move',
        from,
        path,
        id: header.inferContent ? undefined : await writeContent(),
      };
    }
    case ActionType.DELETE:
      return { kind: 'delete', path };
    case ActionType.CHMOD:
      return { kind: 'chmod', path, executable };
  }
}
