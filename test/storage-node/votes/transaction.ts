import { createHash } from 'node:crypto';
import {
  RefTransaction,
  VoteTransactionRequest_Phase as Phase,
  VoteTransactionResponse_TransactionState as State,
} from '../../../src/gen/gitaly/transaction_pb.ts';
import { assertNever } from '../../../src/base/errors.ts';
import type { CallContext } from '../grpc/server-call.ts';
import { parseTransaction } from './transaction-metadata.ts';

/** No vote waits longer, whatever the deadline of its call. */
const voteTimeoutMs = 300_000;

/** What a vote is about: the SHA-1 of what the nodes have to agree on, 20 bytes. */
export type VoteHash = Buffer;

/** Who casts a vote: the server itself, within the deadline of the call, or a hook of git, which does not know it. */
export type Caster = 'server' | 'hook';

/** The transaction that a call takes part in. */
export interface Transaction {
  /** True without a transaction too: then this node alone decides. */
  readonly primary: boolean;
  /** Casts a vote and waits for the answer. Resolves if it is COMMIT; otherwise throws what it was. */
  vote(phase: Phase, hash: VoteHash, caster: Caster): Promise<void>;
  /** Tells the others that this write was refused. */
  stop(): Promise<void>;
}

/** Casts no votes. */
const noTransaction: Transaction = {
  primary: true,
  async vote() {},
  async stop() {},
};

/** The transaction of a call, from metadata `gitaly-reference-transaction`. Faults of the metadata show at the first vote. */
export function transactionOf(call: CallContext): Transaction {
  const header = call.metadata.get('gitaly-reference-transaction');
  return header === undefined ? noTransaction : new CallTransaction(call, header);
}

/** SHA-1 of `data`. */
export function voteOf(data: string | Uint8Array): VoteHash {
  return createHash('sha1').update(data).digest();
}

/** The vote that ends a push: 20 zero bytes. */
export const finalVote: VoteHash = Buffer.alloc(20);

export { Phase };

class CallTransaction implements Transaction {
  readonly #call: CallContext;
  readonly #header: string;

  constructor(call: CallContext, header: string) {
    this.#call = call;
    this.#header = header;
  }

  get primary(): boolean {
    try {
      return parseTransaction(this.#header).primary;
    } catch {
      return true;
    }
  }

  async vote(phase: Phase, hash: VoteHash, caster: Caster): Promise<void> {
    const { id, node } = parseTransaction(this.#header);
    const request = { transactionId: id, node, referenceUpdatesHash: hash, phase };
    const { signal } = this.#call;
    const timeoutMs = this.#timeoutMs(caster);
    const response = await this.#client().unary(RefTransaction.method.voteTransaction, request, {
      timeoutMs,
      signal,
    });
    switch (response.state) {
      case State.COMMIT:
        return;
      case State.ABORT:
        throw new Error('transaction was aborted');
      case State.STOP:
        throw new Error('transaction was stopped');
      default:
        assertNever(response.state);
    }
  }

  async stop(): Promise<void> {
    const { id } = parseTransaction(this.#header);
    const options = { timeoutMs: this.#timeoutMs('server'), signal: this.#call.signal };
    const request = { transactionId: id };
    await this.#client().unary(RefTransaction.method.stopTransaction, request, options);
  }

  #client() {
    const { backchannel } = this.#call.connection;
    if (!backchannel) throw new Error('get backchannel: no backchannel for peer 0');
    return backchannel.client();
  }

  #timeoutMs(caster: Caster): number {
    if (caster === 'hook') return voteTimeoutMs;
    return Math.min(voteTimeoutMs, this.#call.remainingMs() ?? voteTimeoutMs);
  }
}
