import {
  RefService,
  UpdateReferencesErrorSchema,
  type UpdateReferencesRequest,
  type UpdateReferencesRequest_Update,
} from '../../../src/gen/gitaly/ref_pb.ts';
import { referenceFault } from '../git/ref-names.ts';
import { RefUpdater, type RefUpdate } from '../git/ref-updater.ts';
import { UpdateRefError } from '../git/update-ref-errors.ts';
import { clientStreaming, type Handler } from '../grpc/handler.ts';
import { Code, RpcError } from '../grpc/status.ts';
import { gitHooks } from '../hooks/git-hooks.ts';
import { WriteHooks } from '../hooks/write-hooks.ts';
import { type ServiceContext, invalidArgument } from './context.ts';
import { detail } from './error-details.ts';

/** RefService/UpdateReferences: all updates or none, in one transaction of git. */
export function updateReferencesHandler(context: ServiceContext): Handler {
  const { git, gitlab, storages } = context;
  return clientStreaming(RefService.method.updateReferences, async (requests, call) => {
    const first = await requests.next();
    if (first.done) throw new RpcError(Code.INTERNAL, 'receiving initial request: EOF');
    const repository = await storages.find(first.value.repository);
    const updates = [...readUpdates(first.value)];
    for await (const request of requests) {
      if (request.repository) throw invalidArgument('repository set in subsequent request');
      updates.push(...readUpdates(request));
    }
    const transaction = context.transactionOf(call);
    const hooks = new WriteHooks({ repository, transaction, gitlab, caster: 'hook' });
    const updater = await RefUpdater.start(git, repository.path, {
      signal: call.signal,
      hooks: gitHooks(hooks),
    });
    try {
      for (const update of updates) updater.queue(update);
      await updater.commit();
    } catch (error) {
      throw error instanceof UpdateRefError ? statusOf(error) : error;
    } finally {
      await updater.close();
    }
    return {};
  });
}

function* readUpdates(request: UpdateReferencesRequest): Generator<RefUpdate> {
  if (request.updates.length === 0) throw invalidArgument('no updates specified');
  for (const update of request.updates) yield readUpdate(update);
}

function readUpdate(update: UpdateReferencesRequest_Update): RefUpdate {
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();
  const reference = text(update.reference);
  const fault = referenceFault(reference);
  if (fault !== undefined) {
    const value = { refs: [update.reference] };
    throw new RpcError(Code.INVALID_ARGUMENT, `validating reference: ${fault}`, [
      detail(UpdateReferencesErrorSchema, { error: { case: 'invalidFormat', value } }),
    ]);
  }
  const oldId = update.oldObjectId.length > 0 ? text(update.oldObjectId) : undefined;
  const newId = text(update.newObjectId);
  if (oldId !== undefined) requireObjectId('old', oldId);
  requireObjectId('new', newId);
  return { reference, newId, oldId };
}

function requireObjectId(which: string, id: string): void {
  if (/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(id)) return;
  throw invalidArgument(`validating ${which} object ID: invalid object ID: ${JSON.stringify(id)}`);
}

function statusOf(error: UpdateRefError): RpcError {
  const { failure } = error;
  const bytes = (text: string) => Buffer.from(text);
  switch (failure.kind) {
    case 'locked': {
      const value = { refs: [bytes(failure.reference)] };
      return new RpcError(Code.ABORTED, error.message, [
        detail(UpdateReferencesErrorSchema, { error: { case: 'referencesLocked', value } }),
      ]);
    }
    case 'mismatch': {
      const value = {
        referenceName: bytes(failure.reference),
        expectedObjectId: bytes(failure.expected),
        actualObjectId: bytes(failure.actual),
      };
      return new RpcError(Code.ABORTED, error.message, [
        detail(UpdateReferencesErrorSchema, { error: { case: 'referenceStateMismatch', value } }),
      ]);
    }
    case 'missing object':
      return new RpcError(Code.NOT_FOUND, error.message);
    case 'exists':
    case 'other':
      return new RpcError(Code.INTERNAL, `committing update: ${error.message}`);
  }
}
