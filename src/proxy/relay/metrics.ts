import type { ReplicaResult } from './replica-results.ts';
import type { ServerCall } from './server-call.ts';

/** What came of a vote: `invalid` belongs to no write that is under way. */
export type VoteResult = 'committed' | 'failed' | 'stopped' | 'invalid';

/** What the relay counts. The names and labels of the metrics are the implementation's business. */
export interface RelayMetrics {
  callStarted(call: ServerCall): void;
  callEnded(call: ServerCall, code: number, seconds: number): void;
  /** A read has asked for its repository's record. @param isHit whether the proxy knew it */
  repositoryLookedUp(virtualStorage: string, isHit: boolean): void;
  readRouted(virtualStorage: string, storage: string): void;
  readRetried(storage: string): void;
  unknownMethodCalled(): void;
  writeStarted(virtualStorage: string, voters: number): void;
  /** Every storage has ended. @param ballots the most that one has voted */
  writeEnded(ballots: number): void;
  replicaSettled(result: ReplicaResult): void;
  writeSettled(virtualStorage: string, kind: 'recorded' | 'unchanged' | 'failed'): void;
  writeRoutedAgain(): void;
  underReplicatedWrite(virtualStorage: string): void;
  failedOver(virtualStorage: string): void;
  cameHome(virtualStorage: string): void;
  madeWay(virtualStorage: string): void;
}

/** What is counted of votes. */
export interface VoteMetrics {
  voteCast(): void;
  voteAnswered(result: VoteResult, seconds: number): void;
  /** GitLab has refused a push. */
  writeStopped(): void;
}
