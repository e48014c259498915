import type { Clock, Timer } from '../../base/clock.ts';
import { judge, type WriteOutcome } from './outcome.ts';
import { endsOnStorages, type StorageEnd } from './storage-ends.ts';
import {
  isNeeded,
  isPrimaryLate,
  lateVoters,
  startVoting,
  stepVoting,
  wasToldToCommit,
  type Answer,
  type NodeEnd,
  type Vote,
  type VotingEvent,
  type VotingState,
  type VotingStep,
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
  /**
   * The intent is durable, and this proxy may not commit. Returns whether the intent is being taken anew: then
   * {@link ActiveWrite.intentDurable} or {@link ActiveWrite.intentRefused} follows. Default: it is not, and what is
   * undecided is refused.
   */
  retakeIntent?(): boolean;
  /** Called once, at the first vote. */
  onFirstVote(): void;
  /** Called once, when every node has ended. */
  onEnded(outcome: WriteOutcome): void;
  /** Whether the node is about to go. Default: none is. */
  isDraining?(node: string): boolean;
  /** A node has not ended, and the write does not wait for it any more; it is to be cut off. */
  onStraggler(node: string): void;
  /**
   * How long the others may take after the primary has ended, or another voter that was told to
   * commit. Default 5 s.
   */
  readonly stragglerLimitMs?: number;
  /**
   * How much later than the others a node may be. Default: as long again as they needed, at most 5 s; who is
   * needed for a quorum when those are gone that are being drained, 5 s; the primary twice as long, at least 5 s.
   */
  readonly lateLimitMs?: number;
}

/**
 * Who is later than the others gets as long again as they needed, within limits. A storage
 * that hangs must not hold a write, and the locks of all others, for long: with less than 750 ms the
 * write is done within a second, and less than Gitaly's second of waiting for a locked reference has
 * passed, so that the next write to it gets its turn. A storage that is some milliseconds slower, or
 * stalls for a moment, must not fall behind with each write. And where a write takes long anyway, as
 * with a large push or on machines that are busy, all take longer.
 */
const leastLateLimitMs = 750;
const mostLateLimitMs = 5000;

/**
 * One write under way: feeds the voting machine and delivers its answers. Nodes that are too late for
 * the others are cut off:
 *
 * 1. Voters that have not cast a PREPARED vote on which the quorum agrees.
 * 2. The primary, if it has not cast one for which the others wait. Then the write comes to nothing.
 * 3. Learners that have not ended when all voters have.
 * 4. Whoever has not ended when the write is done, after a longer time: it may have changed something.
 */
export class ActiveWrite {
  readonly #options: ActiveWriteOptions;
  readonly #pending = new Map<number, (answer: Answer) => void>();
  #state: VotingState;
  #nextTicket = 1;
  #voted = false;
  readonly #startedMs: number;
  #late: Timer | undefined;
  #primaryLate: Timer | undefined;
  /** Those that were cut off since they were too late. */
  readonly #tooLate = new Set<string>();
  #straggling: Timer | undefined;
  #ended = false;

  constructor(options: ActiveWriteOptions) {
    this.#options = options;
    this.#startedMs = options.clock.monotonicMs();
    this.#state = startVoting(options);
  }

  get nodes(): readonly string[] {
    return [...this.#state.nodes.keys()];
  }

  get voters(): readonly string[] {
    return this.#state.voters;
  }

  /** Whether the write fails if the node is lost now. */
  needs(node: string): boolean {
    return isNeeded(this.#state, node);
  }

  /** How often the node has voted that has done so most. */
  get ballots(): number {
    return Math.max(0, ...[...this.#state.nodes.values()].map(({ ballots }) => ballots.length));
  }

  /** Whether some node was told to commit: from then on the write can only run out. */
  get isDecided(): boolean {
    return [...this.#state.nodes.keys()].some((node) => this.#wasToldToCommit(node));
  }

  /**
   * Storages that have not finished, and were told to go on without having shown since that they heard it; all that
   * have not finished if something can change without a vote.
   */
  get unconfirmed(): readonly string[] {
    const unconfirmed: string[] = [];
    for (const [node, { ballots, end }] of this.#state.nodes) {
      const last = ballots.at(-1);
      const wasToldLast = last !== undefined && wasToldToCommit(last);
      const isAtStake = wasToldLast || !this.#options.changesNeedVotes;
      if (isAtStake && end?.kind !== 'finished') unconfirmed.push(node);
    }
    return unconfirmed;
  }

  /** How the write has ended on those whose votes count, as far as that tells something about them. */
  get storageEnds(): ReadonlyMap<string, StorageEnd> {
    return endsOnStorages(this.#state, this.#tooLate);
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
    if (!this.#ended) this.#step({ kind: 'stopped' });
  }

  intentDurable(voters: readonly string[]): void {
    this.#step({ kind: 'intentDurable', voters });
  }

  intentRefused(): void {
    this.#step({ kind: 'intentRefused' });
  }

  /** A node's part has ended. Only the first call for each node counts. */
  end(node: string, end: NodeEnd): void {
    if (this.#ended || this.#state.nodes.get(node)?.end !== undefined) return;
    this.#step({ kind: 'ended', node, end });
    const isPrimary = node === this.#state.primary;
    if (isPrimary && end.kind !== 'finished') this.#endWithoutPrimary();
    else if (end.kind === 'finished' && (isPrimary || this.#wasToldToCommit(node))) {
      this.#awaitStragglers();
    }
    this.#endIfDone();
  }

  #step(event: VotingEvent): void {
    const isDurable = this.#state.intent === 'durable' || event.kind === 'intentDurable';
    const isFenced = isDurable && !this.#options.mayCommit();
    const { state, answers } = isFenced ? this.#stepFenced(event) : stepVoting(this.#state, event);
    this.#state = state;
    for (const { ticket, answer } of answers) {
      const deliver = this.#pending.get(ticket);
      this.#pending.delete(ticket);
      deliver?.(answer);
    }
    this.#awaitLate();
    this.#awaitPrimary();
  }

  #stepFenced(event: VotingEvent): VotingStep {
    const end = this.#options.retakeIntent?.() === true ? lapse : refusal;
    const fenced = stepVoting(this.#state, end);
    if (event.kind === 'intentDurable') return fenced;
    const { state, answers } = stepVoting(fenced.state, event);
    return { state, answers: [...fenced.answers, ...answers] };
  }

  /** Those who make the others wait with their locks, or the client with its answer. */
  get #lateNodes(): readonly string[] {
    const { voters } = this.#state;
    const running = this.#running;
    const isLearner = (node: string) => !voters.includes(node);
    return running.every(isLearner) ? running : lateVoters(this.#state);
  }

  /** Those that have not ended. */
  get #running(): readonly string[] {
    const { nodes } = this.#state;
    return [...nodes.keys()].filter((node) => nodes.get(node)?.end === undefined);
  }

  #awaitLate(): void {
    if (this.#lateNodes.length === 0) {
      this.#late?.cancel();
      this.#late = undefined;
      return;
    }
    if (this.#late !== undefined) return;
    const { clock, lateLimitMs } = this.#options;
    const neededMs = clock.monotonicMs() - this.#startedMs;
    const leastMs = this.#areLateOnesNeeded() ? mostLateLimitMs : leastLateLimitMs;
    const usualMs = Math.min(Math.max(neededMs, leastMs), mostLateLimitMs);
    this.#late = clock.after(lateLimitMs ?? usualMs, () => {
      this.#late = undefined;
      for (const node of this.#lateNodes) this.#cutOffLate(node);
    });
  }

  /** Without them the repository would refuse writes as soon as a storage goes that is being drained. */
  #areLateOnesNeeded(): boolean {
    const { quorum, isDraining = () => false } = this.#options;
    const late = this.#lateNodes;
    const staying = this.voters.filter((voter) => !isDraining(voter));
    const left = staying.filter((voter) => !late.includes(voter));
    return left.length < quorum && left.length < staying.length;
  }

  /** It gets more time than others, as the write is lost with it. */
  #awaitPrimary(): void {
    if (!isPrimaryLate(this.#state)) {
      this.#primaryLate?.cancel();
      this.#primaryLate = undefined;
      return;
    }
    const { clock, lateLimitMs } = this.#options;
    const neededMs = clock.monotonicMs() - this.#startedMs;
    const limitMs = Math.max(2 * neededMs, mostLateLimitMs, lateLimitMs ?? 0);
    this.#primaryLate ??= clock.after(limitMs, () => {
      this.#primaryLate = undefined;
      this.#cutOffLate(this.#state.primary);
    });
  }

  #cutOffLate(node: string): void {
    this.#tooLate.add(node);
    this.#cutOff(node);
  }

  #wasToldToCommit(node: string): boolean {
    const ballots = this.#state.nodes.get(node)?.ballots ?? [];
    return ballots.some(wasToldToCommit);
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
    this.#straggling ??= clock.after(stragglerLimitMs, () => {
      for (const node of this.#running) this.#tooLate.add(node);
      this.#cutOffRest();
    });
  }

  #cutOffRest(): void {
    for (const node of this.#running) this.#cutOff(node);
  }

  #cutOff(node: string): void {
    this.#options.onStraggler(node);
    this.end(node, { kind: 'lost' });
  }

  #endIfDone(): void {
    if (this.#ended) return;
    if ([...this.#state.nodes.values()].some((node) => node.end === undefined)) return;
    this.#ended = true;
    this.#late?.cancel();
    this.#primaryLate?.cancel();
    this.#straggling?.cancel();
    for (const answer of this.#pending.values()) answer('abort');
    this.#pending.clear();
    this.#options.onEnded(judge(this.#state, this.#options.changesNeedVotes));
  }
}

const refusal: VotingEvent = { kind: 'intentRefused' };
const lapse: VotingEvent = { kind: 'intentLapsed' };
