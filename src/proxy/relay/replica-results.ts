import type { NodeEnd } from '../transactions/voting.ts';

/**
 * How a replica other than the reference came out of a write that was recorded. The words are
 * Praefect's.
 *
 * - `updated`: it holds the write;
 * - `outdated`: it took no part in it;
 * - `node-error-status`: it was lost, or has ended with another status;
 * - `node-not-committed`: its votes, or their answers, were others;
 * - `no-votes`: nobody voted, and its contents are others.
 */
export type ReplicaResult =
  'updated' | 'outdated' | 'node-error-status' | 'node-not-committed' | 'no-votes';

/** A write that was recorded. */
export interface RecordedWrite {
  /** Storages with a replica. */
  readonly replicas: readonly string[];
  /** Who took part, and how it ended there. */
  readonly ends: ReadonlyMap<string, NodeEnd>;
  /** Whose answer stands for the write. */
  readonly reference: string;
  readonly holders: readonly string[];
  /** Whether anybody has voted. */
  readonly hasVotes: boolean;
}

/** How each replica but the reference came out of a write, by storage. */
export function replicaResults(write: RecordedWrite): ReadonlyMap<string, ReplicaResult> {
  const others = write.replicas.filter((storage) => storage !== write.reference);
  return new Map(others.map((storage) => [storage, resultOn(storage, write)]));
}

function resultOn(
  storage: string,
  { ends, reference, holders, hasVotes }: RecordedWrite,
): ReplicaResult {
  const end = ends.get(storage);
  if (end === undefined) return 'outdated';
  if (holders.includes(storage)) return 'updated';
  if (!endedAlike(end, ends.get(reference))) return 'node-error-status';
  return hasVotes ? 'node-not-committed' : 'no-votes';
}

function endedAlike(end: NodeEnd, model: NodeEnd | undefined): boolean {
  return end.kind === 'finished' && model?.kind === 'finished' && end.code === model.code;
}
