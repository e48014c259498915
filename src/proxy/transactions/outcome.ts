import { wasToldToCommit, type Ballot, type NodeVotes, type VotingState } from './voting.ts';

/**
 * What a write has left behind, judged from the votes and not from the primary's answer alone: a
 * primary that dies after the decision takes nothing away from the nodes that finished.
 */
export type WriteOutcome =
  | {
      /** No node was told to commit, or none has seen the call: none has changed. */
      readonly kind: 'unchanged';
      /** Whether it is for an ABORT that the primary failed: then its answer tells nothing else. */
      readonly isCalledOff: boolean;
    }
  | {
      /** Some nodes were lost that may have changed without a vote. The others have not. */
      readonly kind: 'calledOff';
      readonly unchanged: readonly string[];
    }
  | {
      /** Something may have changed without a vote: only comparing contents can tell. */
      readonly kind: 'unverified';
      readonly finished: readonly string[];
      /** Whether the first of them failed for an ABORT: those like it have not changed. */
      readonly isCalledOff: boolean;
    }
  | {
      readonly kind: 'committed';
      /** The node whose answer stands for the write. */
      readonly reference: string;
      /** Nodes that cast the same votes, got the same answers and ended alike, reference included. */
      readonly holders: readonly string[];
    }
  /** Some node was told to commit, and no node that could vouch for the result finished. */
  | { readonly kind: 'inDoubt' };

/**
 * Judges a write after every node has ended.
 *
 * @param changesNeedVotes false for methods that can change something without a vote
 */
export function judge(state: VotingState, changesNeedVotes: boolean): WriteOutcome {
  const committed = [...state.nodes.values()].some((node) => node.ballots.some(wasToldToCommit));
  if (!committed) {
    const unchanged = [...state.nodes.keys()].filter(isUnchanged(state));
    if (changesNeedVotes || unchanged.length === state.nodes.size) {
      return { kind: 'unchanged', isCalledOff: wasAborted(state.nodes.get(state.primary)) };
    }
    const finished = [...state.nodes.keys()].filter(isFinished(state));
    if (unchanged.length > 0 && finished.every((name) => unchanged.includes(name))) {
      return { kind: 'calledOff', unchanged };
    }
    const [reference = state.primary] = finished;
    const isCalledOff = wasAborted(state.nodes.get(reference));
    return { kind: 'unverified', finished, isCalledOff };
  }

  const reference = referenceOf(state);
  if (reference === undefined) return { kind: 'inDoubt' };
  const model = state.nodes.get(reference);
  const holders = [...state.nodes]
    .filter(([, node]) => model !== undefined && endedAlike(node, model))
    .map(([name]) => name);
  return { kind: 'committed', reference, holders };
}

/** The primary if it finished, else the finished voter that was told to commit most often. */
function referenceOf(state: VotingState): string | undefined {
  const candidates = state.voters.filter(isFinished(state)).filter((voter) => {
    return state.nodes.get(voter)?.ballots.some(wasToldToCommit) ?? false;
  });
  if (candidates.includes(state.primary)) return state.primary;
  const commits = (voter: string) =>
    state.nodes.get(voter)?.ballots.filter(wasToldToCommit).length ?? 0;
  return candidates.toSorted((a, b) => commits(b) - commits(a))[0];
}

function isFinished(state: VotingState): (name: string) => boolean {
  return (name) => state.nodes.get(name)?.end?.kind === 'finished';
}

/** Who asks, asks before it changes something: who was only ever refused has not. */
function isUnchanged(state: VotingState): (name: string) => boolean {
  return (name) => {
    const node = state.nodes.get(name);
    return node?.end?.kind === 'unprocessed' || (node?.ballots.some(wasRefused) ?? false);
  };
}

function wasRefused({ answer }: Ballot): boolean {
  return answer === 'abort' || answer === 'stop';
}

function wasAborted(node: NodeVotes | undefined): boolean {
  return node?.ballots.some((ballot) => ballot.answer === 'abort') ?? false;
}

function endedAlike(node: NodeVotes, model: NodeVotes): boolean {
  return (
    node.end?.kind === 'finished' &&
    model.end?.kind === 'finished' &&
    node.end.code === model.end.code &&
    node.ballots.length === model.ballots.length &&
    node.ballots.every((ballot, position) => {
      const other = model.ballots[position];
      return (
        other !== undefined &&
        ballot.phase === other.phase &&
        ballot.hash === other.hash &&
        ballot.answer === other.answer
      );
    })
  );
}
