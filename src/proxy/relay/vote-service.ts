import { assertNever } from '../../base/errors.ts';
import {
  RefTransaction,
  VoteTransactionRequest_Phase as WirePhase,
  VoteTransactionResponse_TransactionState as WireState,
} from '../../gen/gitaly/transaction_pb.ts';
import { statusCodes } from '../../rpc/status.ts';
import type { Answer, VotePhase } from '../transactions/voting.ts';
import type { VoteResult, WriteRegistry } from '../transactions/write-registry.ts';
import type { Clock } from '../../base/clock.ts';
import { LocalCallError, unaryMethod, type LocalMethod } from './local-method.ts';
import type { VoteMetrics } from './metrics.ts';

/** Length of a vote's hash, which is a SHA-1. */
const hashBytes = 20;

/** Takes the votes that storages cast on the connection that the proxy called them on. */
export function voteMethods(
  writes: WriteRegistry,
  { metrics, clock }: { readonly metrics: VoteMetrics; readonly clock: Clock },
): readonly LocalMethod[] {
  return [
    unaryMethod(
      RefTransaction.method.voteTransaction,
      async ({ transactionId, node, referenceUpdatesHash, phase }) => {
        if (referenceUpdatesHash.length !== hashBytes) {
          throw new LocalCallError(
            statusCodes.INVALID_ARGUMENT,
            `invalid reference update hash: invalid vote length ${referenceUpdatesHash.length}`,
          );
        }
        const vote = {
          phase: phaseOf(phase),
          hash: Buffer.from(referenceUpdatesHash).toString('hex'),
        };
        metrics.voteCast();
        const castMs = clock.monotonicMs();
        const result = await new Promise<VoteResult>((resolve) => {
          writes.vote(transactionId, node, vote, resolve);
        });
        metrics.voteAnswered(resultOf(result), (clock.monotonicMs() - castMs) / 1000);
        if (result.kind === 'unknownTransaction') throw transactionNotFound(transactionId);
        return { state: stateOf(result.answer) };
      },
      { needsToken: false },
    ),
    unaryMethod(
      RefTransaction.method.stopTransaction,
      async ({ transactionId }) => {
        if (!writes.stop(transactionId)) throw transactionNotFound(transactionId);
        metrics.writeStopped();
        return {};
      },
      { needsToken: false },
    ),
  ];
}

function transactionNotFound(id: bigint): LocalCallError {
  return new LocalCallError(statusCodes.NOT_FOUND, `transaction not found: ${id}`);
}

function phaseOf(phase: WirePhase): VotePhase {
  switch (phase) {
    case WirePhase.PREPARING_PHASE:
      return 'preparing';
    case WirePhase.PREPARED_PHASE:
      return 'prepared';
    case WirePhase.COMMITTED_PHASE:
      return 'committed';
    case WirePhase.SYNCHRONIZED_PHASE:
      return 'synchronized';
    case WirePhase.UNKNOWN_PHASE:
      throw new LocalCallError(statusCodes.INVALID_ARGUMENT, 'the vote has no phase');
    default:
      return assertNever(phase);
  }
}

function resultOf(result: VoteResult): Parameters<VoteMetrics['voteAnswered']>[0] {
  if (result.kind === 'unknownTransaction') return 'invalid';
  switch (result.answer) {
    case 'commit':
      return 'committed';
    case 'abort':
      return 'failed';
    case 'stop':
      return 'stopped';
  }
}

function stateOf(answer: Answer): WireState {
  switch (answer) {
    case 'commit':
      return WireState.COMMIT;
    case 'abort':
      return WireState.ABORT;
    case 'stop':
      return WireState.STOP;
  }
}
