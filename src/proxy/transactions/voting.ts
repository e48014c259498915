/**
 * The votes of one write, as a pure state machine.
 *
 * Each Gitaly that takes part asks before it changes anything, and waits for the answer. The k-th
 * vote of one node is compared with the k-th vote of the others. What each phase means to the nodes
 * was measured: an answer counts only before the change, so
 *
 * 1. PREPARED is the only vote that is decided by quorum: the primary and enough other voters agree,
 *    and the intent is durable (invariant I1). It is the last moment at which anything can be refused.
 * 2. SYNCHRONIZED and PREPARING of the primary pass at once. Those of another node pass once the
 *    primary has cast the same vote: only the primary asks GitLab whether a push is allowed.
 * 3. COMMITTED passes at once and is only counted: a refusal would undo nothing.
 * 4. A node whose vote differs from the primary's is refused from then on. It falls behind, the write
 *    goes on without it if the quorum is still in reach.
 * 5. Without the primary nothing new is decided: what is undecided is refused.
 *
 * Invariants, held by the property tests: a PREPARED vote is passed only with a durable intent and
 * with equal votes of the primary and of at least `quorum` voters; all passed PREPARED votes of one
 * position are equal; a vote is answered once; once every node has ended, no vote is unanswered.
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
  /** The connection broke, the node was given up, or it never got the call. */
  | { readonly kind: 'lost' };

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
  | { readonly kind: 'intentRefused' };

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
    case 'voted':
      return updateNode(state, event.node, (node) => ({
        ...node,
        ballots: [...node.ballots, { ...event.vote, ticket: event.ticket, answer: undefined }],
      }));
    case 'ended':
      return updateNode(state, event.node, (node) =>
        node.end === undefined ? { ...node, end: event.end } : node,
      );
    case 'stopped':
      return { ...state, stopped: true };
    case 'intentDurable':
      return { ...state, intent: 'durable', voters: event.voters };
    case 'intentRefused':
      return { ...state, intent: 'refused' };
  }
}

function updateNode(
  state: VotingState,
  name: string,
  change: (node: NodeVotes) => NodeVotes,
): VotingState {
  const node = state.nodes.get(name);
  if (node === undefined) throw new Error(`storage ${name} takes no part in this write`);
  return { ...state, nodes: new Map(state.nodes).set(name, change(node)) };
}

/** An answer can make the next one possible only for the same position, so one pass is enough. */
function answerAll(state: VotingState): VotingStep {
  const answers: VotingAnswer[] = [];
  let next = state;
  for (const [name, node] of state.nodes) {
    node.ballots.forEach((ballot, position) => {
      if (ballot.answer !== undefined) return;
      const answer = answerFor(next, name, position);
      if (answer === undefined) return;
      answers.push({ ticket: ballot.ticket, answer });
      next = updateNode(next, name, (current) => ({
        ...current,
        ballots: current.ballots.with(position, { ...ballot, answer }),
      }));
    });
  }
  return { state: next, answers };
}

/** The answer to a vote, or undefined while it has to wait. */
function answerFor(state: VotingState, node: string, position: number): Answer | undefined {
  const ballot = state.nodes.get(node)?.ballots[position];
  if (ballot === undefined) return undefined;
  if (ballot.phase === 'committed') return 'commit';
  if (state.stopped) return 'stop';
  if (state.intent === 'refused' || hasDiverged(state, node)) return 'abort';

  const reference = state.nodes.get(state.primary);
  const expected = reference?.ballots[position];
  if (expected === undefined) return reference?.end === undefined ? undefined : 'abort';
  if (!sameVote(ballot, expected)) return 'abort';
  return ballot.phase === 'prepared' ? decide(state, position) : 'commit';
}

/** The quorum's decision on the PREPARED votes of one position. */
function decide(state: VotingState, position: number): Answer | undefined {
  if (isDecided(state, position)) return 'commit';
  const reference = state.nodes.get(state.primary);
  const expected = reference?.ballots[position];
  if (expected === undefined || reference?.end !== undefined) return 'abort';

  let agreeing = 0;
  let outstanding = 0;
  for (const voter of state.voters) {
    const node = state.nodes.get(voter);
    const ballot = node?.ballots[position];
    if (ballot !== undefined) agreeing += sameVote(ballot, expected) ? 1 : 0;
    else if (node?.end === undefined && !hasDiverged(state, voter)) outstanding += 1;
  }
  if (agreeing >= state.quorum) return state.intent === 'durable' ? 'commit' : undefined;
  return agreeing + outstanding >= state.quorum ? undefined : 'abort';
}

/** Whether a node was already told to commit at this position. */
function isDecided(state: VotingState, position: number): boolean {
  for (const node of state.nodes.values()) {
    const ballot = node.ballots[position];
    if (ballot?.phase === 'prepared' && ballot.answer === 'commit') return true;
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
