import type { Clock, Timer } from '../../base/clock.ts';
import { judge, type WriteOutcome } from './outcome.ts';
import {
  startVoting,
  stepVoting,
  type Answer,
  type NodeEnd,
  type Vote,
  type VotingEvent,
  type VotingState,
} from './voting.ts';

export interface ActiveWriteOptions {
  readonly primary: string;
  /** Primary first. */
  readonly voters: readonly string[];
  readonly learners: readonly string[];
  readonly quorum: number;
  /** False for methods that can change something without a vote. */
  readonly changesNeedVotes: boolean;
  readonly clock: Clock;
  /**
   * Whether this proxy may still commit. Asked right before each commit of a PREPARED vote: one
   * whose lease may have run out is fenced, the others may be settling its writes.
   */
  mayCommit(): boolean;
  /** Called once, at the first vote. */
  onFirstVote(): void;
  /** Called once, when every node has ended. */
  onEnded(outcome: WriteOutcome): void;
  /** A node has not ended, and the write does not wait for it any more; it is to be cut off. */
  onStraggler(node: string): void;
  /** How long the others may take after the first voter has finished, or the primary is lost. Default 5 s. */
  readonly stragglerLimitMs?: number;
}

/** One write under way: feeds the voting machine and delivers its answers. */
export class ActiveWrite {
  readonly #options: ActiveWriteOptions;
  readonly #pending = new Map<number, (answer: Answer) => void>();
  #state: VotingState;
  #nextTicket = 1;
  #voted = false;
  #straggling: Timer | undefined;
  #ended = false;

  constructor(options: ActiveWriteOptions) {
    this.#options = options;
    this.#state = startVoting(options);
  }

  get nodes(): readonly string[] {
    return [...this.#state.nodes.keys()];
  }

  get voters(): readonly string[] {
    return this.#state.voters;
  }

  /** Whether some node was told to commit: from then on the write can only run out. */
  get isDecided(): boolean {
    return [...this.#state.nodes.values()].some(({ ballots }) =>
      ballots.some((ballot) => ballot.phase === 'prepared' && ballot.answer === 'commit'),
    );
  }

  /** Casts a node's next vote. `answer` is called exactly once, maybe at once. */
  vote(node: string, vote: Vote, answer: (answer: Answer) => void): void {
    if (!this.#state.nodes.has(node) || this.#ended) {
      answer('abort');
      return;
    }
    const ticket = this.#nextTicket++;
    this.#pending.set(ticket, answer);
    if (!this.#voted) {
      this.#voted = true;
      this.#options.onFirstVote();
    }
    this.#step({ kind: 'voted', node, ticket, vote });
  }

  /** GitLab has refused the write: what waits is stopped. */
  stopTransaction(): void {
    this.#step({ kind: 'stopped' });
  }

  intentDurable(voters: readonly string[]): void {
    this.#step({ kind: 'intentDurable', voters });
  }

  intentRefused(): void {
    this.#step({ kind: 'intentRefused' });
  }

  /** A node's part has ended. Only the first call for each node counts. */
  end(node: string, end: NodeEnd): void {
    if (this.#ended) return;
    this.#step({ kind: 'ended', node, end });
    if (end.kind === 'finished' && this.#state.voters.includes(node)) this.#awaitStragglers();
    if (end.kind === 'lost' && node === this.#state.primary) this.#endWithoutPrimary();
    this.#endIfDone();
  }

  #step(event: VotingEvent): void {
    const fenced = this.#state.intent === 'durable' && !this.#options.mayCommit();
    const from: VotingState = fenced ? { ...this.#state, intent: 'refused' } : this.#state;
    const { state, answers } = stepVoting(from, event);
    this.#state = state;
    for (const { ticket, answer } of answers) {
      const deliver = this.#pending.get(ticket);
      this.#pending.delete(ticket);
      deliver?.(answer);
    }
  }

  /**
   * What was decided may run out, and what changes without votes may have changed. Otherwise the
   * others are cut off at once: they may be waiting for a client that waits for the primary.
   */
  #endWithoutPrimary(): void {
    if (this.isDecided || !this.#options.changesNeedVotes) this.#awaitStragglers();
    else this.#cutOffRest();
  }

  #awaitStragglers(): void {
    const { clock, stragglerLimitMs = 5000 } = this.#options;
    this.#straggling ??= clock.after(stragglerLimitMs, () => this.#cutOffRest());
  }

  #cutOffRest(): void {
    for (const [node, { end }] of this.#state.nodes) {
      if (end !== undefined) continue;
      this.#options.onStraggler(node);
      this.end(node, { kind: 'lost' });
    }
  }

  #endIfDone(): void {
    if (this.#ended) return;
    if ([...this.#state.nodes.values()].some((node) => node.end === undefined)) return;
    this.#ended = true;
    this.#straggling?.cancel();
    for (const answer of this.#pending.values()) answer('abort');
    this.#pending.clear();
    this.#options.onEnded(judge(this.#state, this.#options.changesNeedVotes));
  }
}
