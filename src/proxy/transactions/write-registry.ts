import type { ActiveWrite } from './active-write.ts';
import type { Answer, Vote } from './voting.ts';

/** What a node gets for a vote. */
export type VoteResult =
  { readonly kind: 'answered'; readonly answer: Answer } | { readonly kind: 'unknownTransaction' };

/** Finds the write that a node's vote belongs to. Votes come back to the proxy that sent the call. */
export class WriteRegistry {
  readonly #writes = new Map<bigint, ActiveWrite>();
  #nextId = 1n;

  /** Number of writes under way. */
  get size(): number {
    return this.#writes.size;
  }

  /** Registers a write under an id that is unique in this process. */
  add(write: ActiveWrite): bigint {
    const id = this.#nextId++;
    this.#writes.set(id, write);
    return id;
  }

  remove(id: bigint): void {
    this.#writes.delete(id);
  }

  vote(id: bigint, node: string, vote: Vote, deliver: (result: VoteResult) => void): void {
    const write = this.#writes.get(id);
    if (write === undefined) {
      deliver({ kind: 'unknownTransaction' });
      return;
    }
    write.vote(node, vote, (answer) => deliver({ kind: 'answered', answer }));
  }

  /** @returns false if there is no such write */
  stop(id: bigint): boolean {
    const write = this.#writes.get(id);
    write?.stopTransaction();
    return write !== undefined;
  }
}
