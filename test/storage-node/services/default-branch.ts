import { open, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { referenceFault } from '../git/ref-names.ts';
import type { LocalRepository } from '../git/storages.ts';
import type { CallContext } from '../grpc/server-call.ts';
import { Code, RpcError } from '../grpc/status.ts';
import { WriteHooks } from '../hooks/write-hooks.ts';
import type { ServiceContext } from './context.ts';

/**
 * Points HEAD to `reference`, with a lock file as git has it, and the votes of a reference transaction.
 * Git before 2.46 runs no hook for symbolic references, so the votes are cast here, as a newer git's hook would.
 */
export async function setDefaultBranch(
  context: ServiceContext,
  repository: LocalRepository,
  reference: string,
  call: CallContext,
): Promise<void> {
  if (referenceFault(reference) !== undefined) {
    throw internal(`setting default branch: "${reference}" is a malformed refname`);
  }
  const { gitlab } = context;
  const transaction = context.transactionOf(call);
  const hooks = new WriteHooks({ repository, transaction, gitlab, caster: 'hook' });
  const changes = Buffer.from(`${'0'.repeat(40)} ref:${reference} HEAD\n`);
  const head = path.join(repository.path, 'HEAD');
  const lock = `${head}.lock`;
  await writeNew(lock, `ref: ${reference}\n`);
  try {
    await hooks.referenceTransaction('prepared', changes);
    call.signal.throwIfAborted();
    await rename(lock, head);
  } catch {
    await rm(lock, { force: true });
    throw internal('setting default branch: commit: exit status 128');
  }
  // The change is made: as after git's own hook, a refusal has no effect any more.
  await hooks.referenceTransaction('committed', changes).catch(() => {});
}

async function writeNew(file: string, content: string): Promise<void> {
  const handle = await open(file, 'wx').catch(() => undefined);
  if (!handle) throw internal('setting default branch: commit: reference is already locked');
  try {
    await handle.writeFile(content);
  } finally {
    await handle.close();
  }
}

function internal(text: string): RpcError {
  return new RpcError(Code.INTERNAL, text);
}
