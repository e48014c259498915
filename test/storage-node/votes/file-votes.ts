import { Code, wrapError } from '../grpc/status.ts';
import { Phase, type Transaction, voteOf } from './transaction.ts';

/** Go's FileMode of a folder with mode 0700, as Gitaly hashes it. */
const folderMode = 0x800001c0;

/** Votes on the content of a file and has it written between the second and the third vote. */
export async function voteOnFile(
  transaction: Transaction,
  content: Uint8Array,
  write: () => Promise<void>,
): Promise<void> {
  const preparing = voteOf('preparing commit locked file');
  await castAround(transaction, preparing, voteOf(content), write);
}

/** Votes on a repository's custom hooks, of which there are none here. */
export async function voteOnCustomHooks(transaction: Transaction): Promise<void> {
  const entry = Buffer.alloc(5, '.');
  entry.writeUInt32BE(folderMode, 1);
  const preparing = voteOf('preparing set custom hooks');
  await castAround(transaction, preparing, voteOf(entry), async () => {});
}

async function castAround(
  transaction: Transaction,
  preparing: Buffer,
  content: Buffer,
  act: () => Promise<void>,
): Promise<void> {
  try {
    await transaction.vote(Phase.PREPARING_PHASE, preparing, 'server');
    await transaction.vote(Phase.PREPARED_PHASE, content, 'server');
  } catch (error) {
    throw wrapError(Code.FAILED_PRECONDITION, 'preparatory vote', error);
  }
  await act();
  try {
    await transaction.vote(Phase.COMMITTED_PHASE, content, 'server');
  } catch (error) {
    throw wrapError(Code.FAILED_PRECONDITION, 'committing vote', error);
  }
}
