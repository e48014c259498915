import type { NodeEnd } from '../transactions/voting.ts';
import type { ReplicaResult } from './metrics.ts';

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

/** How each replica but the reference came out of a write. */
export function replicaResults(write: RecordedWrite): readonly ReplicaResult[] {
  const { replicas, ends, reference, holders, hasVotes } = write;
  const model = ends.get(reference);
  return replicas
    .filter((storage) => storage !== reference)
    .map((storage) => {
      const end = ends.get(storage);
      if (end === undefined) return 'outdated';
      if (holders.includes(storage)) return 'updated';
      if (!endedAlike(end, model)) return 'node-error-status';
      return hasVotes ? 'node-not-committed' : 'no-votes';
    });
}

function endedAlike(end: NodeEnd, model: NodeEnd | undefined): boolean {
  return end.kind === 'finished' && model?.kind === 'finished' && end.code === model.code;
}
