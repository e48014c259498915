import type { WriteRegistry } from './write-registry.ts';

/** What a proxy knows of its lease. */
export interface HeldLease {
  readonly leaseTerm: number;
  /** Whether the lease surely lasts, and never ran out since it was that term. */
  hasHeldLeaseSince(term: number): boolean;
}

export interface CopyVotes {
  /** What the storages that copy are to vote on. */
  readonly transaction: bigint;
  /** No vote passes from now on. */
  end(): void;
}

/**
 * Takes the votes of storages that make a copy for this proxy. They pass as long as the lease that
 * there is now is surely held, and until the proxy does not wait for the copy any more. After that
 * others may have changed the replica, and a storage that still copies would overwrite it.
 */
export function takeCopyVotes(
  writes: Pick<WriteRegistry, 'add' | 'remove'>,
  lease: HeldLease,
): CopyVotes {
  const term = lease.leaseTerm;
  const unconfirmed = new Set<string>();
  const transaction = writes.add({
    unconfirmed,
    vote(node, _vote, answer) {
      const isHeld = lease.hasHeldLeaseSince(term);
      if (isHeld) unconfirmed.add(node);
      answer(isHeld ? 'commit' : 'abort');
    },
    stopTransaction() {},
  });
  return { transaction, end: () => writes.remove(transaction) };
}
