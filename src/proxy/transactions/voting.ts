/**
 * The votes of one write, as a pure state machine.
 *
 * Each Gitaly that takes part asks before it changes anything, and waits for the answer. The k-th
 * vote of one node is compared with the k-th vote of the others. What each phase means to the nodes
 * was measured: an answer counts only before the change, so
 *
 * 1. PREPARED is the only vote that is decided by quorum: the primary and enough other voters agree,
 *    no voter is outstanding, and the intent is durable (invariant I1). It is the last moment at
 *    which anything can be refused.
 * 2. SYNCHRONIZED and PREPARING of the primary pass at once. Those of another node pass once the
 *    primary has cast the same vote: only the primary asks GitLab whether a push is allowed.
 * 3. COMMITTED passes at once and is only counted: a refusal would undo nothing.
 * 4. A node whose vote differs from the primary's is refused from then on. It falls behind, the write
 *    goes on without it if the quorum is still in reach.
 * 5. Without the primary nothing new is decided: what is undecided is refused.
 * 6. A voter that is given up before it has voted is refused from the decision on.
 *
 * Why all voters have to vote before the decision: a node locks the references from its PREPARED vote
 * until it has changed them. So at the moment of a decision all its voters hold the locks, and two
 * writes to one reference are carried out in the same order everywhere, also if their votes do not
 * tell what was there before. A voter that was allowed to come later could have the other order, and
 * stay in sync. A learner may: it is promoted only after every write has ended and contents are equal.
 *
 * Invariants, held by the property tests: a PREPARED vote is passed only with a durable intent and
 * with equal votes of the primary and of at least `quorum` voters; all passed PREPARED votes of one
 * position are equal; voters pass a position at the same time or not at all; a vote is answered once;
 * a node that has ended has no vote unanswered.
 */

export type VotePhase = 'preparing' | 'prepared' | 'committed' | 'synchronized';

/** What a node is about to do, or did: equal hashes mean equal changes. */
export interface Vote {
  readonly phase: VotePhase;
  /** The hash as lower-case hex. */
  readonly hash: string;
}

export type Answer = 'commit' | 'abort' | 'stop';

/** One vote of one node, and what it was told. */
export interface Ballot extends Vote {
  /** Names the call that waits for the answer. */
  readonly ticket: number;
  readonly answer: Answer | undefined;
}

/** How a node's part in the call ended. */
export type NodeEnd =
  | { readonly kind: 'finished'; readonly code: number }
  /** The connection broke, or the node was given up: it may have done anything. */
  | { readonly kind: 'lost' }
  /** The call certainly never reached it. */
  | { readonly kind: 'unprocessed' };

export interface NodeVotes {
  readonly ballots: readonly Ballot[];
  readonly end: NodeEnd | undefined;
}

export interface VotingState {
  readonly primary: string;
  /** Storages whose votes count, the primary among them. */
  readonly voters: readonly string[];
  /** How many voters, the primary among them, have to agree. */
  readonly quorum: number;
  readonly intent: 'pending' | 'durable' | 'refused';
  /** The primary has called the write off: GitLab refused it. */
  readonly stopped: boolean;
  /** All storages that take part: the voters and the learners. */
  readonly nodes: ReadonlyMap<string, NodeVotes>;
}

export type VotingEvent =
  | { readonly kind: 'voted'; readonly node: string; readonly ticket: number; readonly vote: Vote }
  | { readonly kind: 'ended'; readonly node: string; readonly end: NodeEnd }
  | { readonly kind: 'stopped' }
  /** The intent is durable, with these voters: a subset of those that were asked. */
  | { readonly kind: 'intentDurable'; readonly voters: readonly string[] }
  | { readonly kind: 'intentRefused' }
  /** The intent may not be relied on any more; it is being taken anew. */
  | { readonly kind: 'intentLapsed' };

interface VotingAnswer {
  readonly ticket: number;
  readonly answer: Answer;
}

export interface VotingStep {
  readonly state: VotingState;
  readonly answers: readonly VotingAnswer[];
}

export function startVoting(options: {
  readonly primary: string;
  readonly voters: readonly string[];
  readonly learners: readonly string[];
  readonly quorum: number;
}): VotingState {
  const { primary, voters, learners, quorum } = options;
  return {
    primary,
    voters,
    quorum,
    intent: 'pending',
    stopped: false,
    nodes: new Map([...voters, ...learners].map((node) => [node, { ballots: [], end: undefined }])),
  };
}

/** Takes note of `event` and answers every vote that can be answered now. */
export function stepVoting(state: VotingState, event: VotingEvent): VotingStep {
  return answerAll(applyEvent(state, event));
}

function applyEvent(state: VotingState, event: VotingEvent): VotingState {
  switch (event.kind) {
    case 'voted': {
      const { ballots, end } = nodeOf(state, event.node);
      const { phase, hash } = event.vote;
      const ballot: Ballot = { phase, hash, ticket: event.ticket, answer: undefined };
      return withNode(state, event.node, { ballots: [...ballots, ballot], end });
    }
    case 'ended': {
      const { ballots, end } = nodeOf(state, event.node);
      return withNode(state, event.node, { ballots, end: end ?? event.end });
    }
    case 'stopped':
      return { ...state, stopped: true };
    case 'intentDurable':
      return { ...state, intent: 'durable', voters: event.voters };
    case 'intentRefused':
      return { ...state, intent: 'refused' };
    case 'intentLapsed':
      return { ...state, intent: 'pending' };
  }
}

function nodeOf(state: VotingState, name: string): NodeVotes {
  const node = state.nodes.get(name);
  if (node === undefined) throw new Error(`storage ${name} takes no part in this write`);
  return node;
}

function withNode(state: VotingState, name: string, node: NodeVotes): VotingState {
  return { ...state, nodes: new Map(state.nodes).set(name, node) };
}

/** All answers follow from the same state: those who are part of a decision pass together. */
function answerAll(state: VotingState): VotingStep {
  const answers: VotingAnswer[] = [];
  // Copied when there is something to answer: most events leave all votes as they are.
  let nodes: Map<string, NodeVotes> | undefined;
  for (const [name, node] of state.nodes) {
    const ballots = answerNode(state, name, node, answers);
    if (ballots === node.ballots) continue;
    nodes ??= new Map(state.nodes);
    nodes.set(name, { ballots, end: node.end });
  }
  return { state: nodes === undefined ? state : { ...state, nodes }, answers };
}

/** The node's ballots with the answers that can be given now, which are added to `answers`. */
function answerNode(
  state: VotingState,
  name: string,
  node: NodeVotes,
  answers: VotingAnswer[],
): NodeVotes['ballots'] {
  let answered: Ballot[] | undefined;
  let isRefused = false;
  for (let position = 0; position < node.ballots.length; position++) {
    const ballot = node.ballots[position];
    if (ballot === undefined || ballot.answer !== undefined) continue;
    const answer = answerFor(state, name, position, isRefused);
    if (answer === undefined) continue;
    isRefused ||= answer !== 'commit';
    answers.push({ ticket: ballot.ticket, answer });
    answered ??= [...node.ballots];
    const { phase, hash, ticket } = ballot;
    answered[position] = { phase, hash, ticket, answer };
  }
  return answered ?? node.ballots;
}

/**
 * Whether a vote is about what comes after a change that was decided, such as post-receive hooks. It
 * changes no reference. To refuse it would make a storage fail a write that is there.
 */
function isAfterwards(state: VotingState, { phase }: Ballot): boolean {
  if (phase !== 'synchronized') return false;
  return [...state.nodes.values()].some(({ ballots }) => ballots.some(wasToldToCommit));
}

/** The answer to a vote, or undefined while it has to wait. */
function answerFor(
  state: VotingState,
  name: string,
  position: number,
  isRefused: boolean,
): Answer | undefined {
  const node = state.nodes.get(name);
  const ballot = node?.ballots[position];
  if (ballot === undefined) return undefined;
  if (ballot.phase === 'committed') return 'commit';
  if (state.stopped) return 'stop';
  if (node?.end !== undefined) return 'abort';
  if (state.intent === 'refused' && !isAfterwards(state, ballot)) return 'abort';
  if (isRefused || hasDiverged(state, name)) return 'abort';

  const reference = state.nodes.get(state.primary);
  const expected = reference?.ballots[position];
  if (expected === undefined) return reference?.end === undefined ? undefined : 'abort';
  if (!sameVote(ballot, expected)) return 'abort';
  if (ballot.phase !== 'prepared') return 'commit';
  if (isDecided(state, position)) return state.voters.includes(name) ? 'abort' : 'commit';
  return decide(state, position);
}

/** The quorum's decision on the PREPARED votes of one position that is not decided yet. */
function decide(state: VotingState, position: number): Answer | undefined {
  const { agreeing, outstanding } = votersAt(state, position);
  if (agreeing + outstanding.length < state.quorum) return 'abort';
  return outstanding.length === 0 && state.intent === 'durable' ? 'commit' : undefined;
}

/**
 * The voters that have not voted in a round of PREPARED votes that the quorum agrees on. The others
 * hold their locks for them, so they must not be waited for without a limit.
 */
export function lateVoters(state: VotingState): readonly string[] {
  const ballots = state.nodes.get(state.primary)?.ballots ?? [];
  const position = ballots.findIndex(
    (ballot) => ballot.phase === 'prepared' && ballot.answer === undefined,
  );
  if (position === -1) return [];
  const { agreeing, outstanding } = votersAt(state, position);
  return agreeing >= state.quorum ? outstanding : [];
}

/**
 * Whether the primary has not voted in a round in which enough others to make a quorum with it have, and
 * wait with their locks.
 */
export function isPrimaryLate(state: VotingState): boolean {
  const reference = state.nodes.get(state.primary);
  if (reference === undefined || reference.end !== undefined) return false;
  const position = reference.ballots.length;
  const waiting = state.voters.filter((voter) => {
    const ballot = state.nodes.get(voter)?.ballots[position];
    return ballot?.phase === 'prepared' && ballot.answer === undefined;
  });
  return waiting.length > 0 && waiting.length + 1 >= state.quorum;
}

/**
 * Whether the write fails if this node is lost now: the primary, and a voter without which too few are left. One
 * that has ended is not needed any more.
 */
export function isNeeded(state: VotingState, name: string): boolean {
  const isLeft = (voter: string) => {
    const end = state.nodes.get(voter)?.end;
    return (end === undefined || end.kind === 'finished') && !hasDiverged(state, voter);
  };
  if (!state.voters.includes(name) || state.nodes.get(name)?.end !== undefined) return false;
  const others = state.voters.filter((voter) => voter !== name && isLeft(voter));
  return name === state.primary || others.length < state.quorum;
}

/** How many voters agree with the primary at a position, and which may still come to. */
function votersAt(
  state: VotingState,
  position: number,
): { readonly agreeing: number; readonly outstanding: readonly string[] } {
  const reference = state.nodes.get(state.primary);
  const expected = reference?.ballots[position];
  const outstanding: string[] = [];
  let agreeing = 0;
  if (expected === undefined || reference?.end !== undefined) return { agreeing, outstanding };
  for (const voter of state.voters) {
    const node = state.nodes.get(voter);
    if (node === undefined || node.end !== undefined || hasDiverged(state, voter)) continue;
    if (node.ballots[position] === undefined) outstanding.push(voter);
    else agreeing += 1;
  }
  return { agreeing, outstanding };
}

/** Whether this ballot let its node change something. */
export function wasToldToCommit({ phase, answer }: Ballot): boolean {
  return phase === 'prepared' && answer === 'commit';
}

/** Whether a node was already told to commit at this position. */
function isDecided(state: VotingState, position: number): boolean {
  for (const node of state.nodes.values()) {
    const ballot = node.ballots[position];
    if (ballot !== undefined && wasToldToCommit(ballot)) return true;
  }
  return false;
}

/** Whether a node was refused before, or cast another vote than the primary did. */
function hasDiverged(state: VotingState, name: string): boolean {
  const reference = state.nodes.get(state.primary)?.ballots ?? [];
  const ballots = state.nodes.get(name)?.ballots ?? [];
  return ballots.some((ballot, position) => {
    const expected = reference[position];
    return (
      (ballot.answer !== undefined && ballot.answer !== 'commit') ||
      (expected !== undefined && !sameVote(ballot, expected))
    );
  });
}

function sameVote(a: Vote, b: Vote): boolean {
  return a.phase === b.phase && a.hash === b.hash;
}
