import { NumberMap } from '../../base/number-map.ts';
import type { Answer, Vote } from './voting.ts';

/** A call whose votes the storages cast on this proxy. */
export interface VotedCall {
  /** Storages that were told to carry something out, and have not shown that they have heard it. */
  readonly unconfirmed: Iterable<string>;
  /** Casts a node's next vote. `answer` is called exactly once, maybe at once. */
  vote(node: string, vote: Vote, answer: (answer: Answer) => void): void;
  /** A storage calls the transaction off. */
  stopTransaction(): void;
}

/** What a node gets for a vote. */
export type VoteResult =
  { readonly kind: 'answered'; readonly answer: Answer } | { readonly kind: 'unknownTransaction' };

/**
 * The writes of this proxy, and the copies that storages make for its repairs. Finds the one that a
 * node's vote belongs to, since votes come back to the proxy that sent the call, and knows whose
 * intents are still looked after.
 */
export class WriteRegistry {
  readonly #writes = new NumberMap<VotedCall>();
  /** How many hold each transaction. */
  readonly #held = new Map<string, number>();
  #lastId = 0;

  /** Number of calls under way. */
  get size(): number {
    return this.#writes.size;
  }

  /** Registers a call under an id that is unique in this process. */
  add(write: VotedCall): bigint {
    this.#lastId += 1;
    this.#writes.set(this.#lastId, write);
    return BigInt(this.#lastId);
  }

  remove(id: bigint): void {
    this.#writes.delete(Number(id));
  }

  /**
   * Looks after a transaction's intent, from before it is taken until it is settled. An intent of
   * this proxy that nobody holds was left behind.
   *
   * @returns what ends that; to be called once
   */
  hold(transaction: string): () => void {
    this.#held.set(transaction, (this.#held.get(transaction) ?? 0) + 1);
    return () => {
      const others = (this.#held.get(transaction) ?? 1) - 1;
      if (others > 0) this.#held.set(transaction, others);
      else this.#held.delete(transaction);
    };
  }

  /** Storages that may not have heard yet what some call has told them to carry out. */
  get unconfirmed(): ReadonlySet<string> {
    const storages = new Set<string>();
    for (const write of this.#writes.values()) {
      for (const storage of write.unconfirmed) storages.add(storage);
    }
    return storages;
  }

  /** Whether no transaction is held. */
  get isIdle(): boolean {
    return this.#held.size === 0;
  }

  isHeld(transaction: string): boolean {
    return this.#held.has(transaction);
  }

  vote(id: bigint, node: string, vote: Vote, deliver: (result: VoteResult) => void): void {
    const write = this.#writes.get(Number(id));
    if (write === undefined) {
      deliver({ kind: 'unknownTransaction' });
      return;
    }
    write.vote(node, vote, (answer) => deliver({ kind: 'answered', answer }));
  }

  /** @returns false if there is no such write */
  stop(id: bigint): boolean {
    const write = this.#writes.get(Number(id));
    write?.stopTransaction();
    return write !== undefined;
  }
}
