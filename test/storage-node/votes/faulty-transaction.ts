import type { FaultPoints, PhaseName } from '../faults.ts';
import type { CallContext } from '../grpc/server-call.ts';
import { type Caster, Phase, type Transaction, type VoteHash, voteOf } from './transaction.ts';

const names: Readonly<Record<number, PhaseName>> = {
  [Phase.PREPARING_PHASE]: 'PREPARING',
  [Phase.PREPARED_PHASE]: 'PREPARED',
  [Phase.COMMITTED_PHASE]: 'COMMITTED',
  [Phase.SYNCHRONIZED_PHASE]: 'SYNCHRONIZED',
};

/** A transaction whose votes a test may delay, change or make the last. */
export class FaultyTransaction implements Transaction {
  readonly #inner: Transaction;
  readonly #faults: FaultPoints;
  readonly #call: CallContext;

  constructor(inner: Transaction, faults: FaultPoints, call: CallContext) {
    this.#inner = inner;
    this.#faults = faults;
    this.#call = call;
  }

  get primary(): boolean {
    return this.#inner.primary;
  }

  async vote(phase: Phase, hash: VoteHash, caster: Caster): Promise<void> {
    const verdict = await this.#reach('vote', phase);
    await this.#inner.vote(phase, verdict === 'differ' ? voteOf('something else') : hash, caster);
    await this.#reach('voted', phase);
  }

  stop(): Promise<void> {
    return this.#inner.stop();
  }

  async #reach(step: 'vote' | 'voted', phase: Phase): Promise<'go on' | 'differ'> {
    const { path, signal } = this.#call;
    const method = path.slice(path.lastIndexOf('/') + 1);
    const name = names[phase];
    return name ? this.#faults.reach({ step, method, phase: name }, signal) : 'go on';
  }
}
