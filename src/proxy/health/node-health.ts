import { assertNever } from '../../base/errors.ts';

/**
 * Whether calls may be sent to a storage, from evidence (pure).
 *
 * - A refused or broken connection, and one on which the storage takes no more calls, are certain and
 *   count at once.
 * - A storage that says that it does not serve may be starting or stopping: several answers in a row
 *   count.
 * - A check that waits for its answer says little by itself, because the storage may be busy. Anything
 *   that arrives meanwhile is a sign of life; silence in several rounds counts. Time is counted in
 *   rounds of this proxy: one that stood still itself has missed rounds, and blames nobody for it.
 * - What only sends, and never answers a check, is given up too, much later.
 * - A storage that was lost has to pass several checks before it is used again, so that one on the edge
 *   does not flap.
 */
export type NodeHealth =
  /** Not heard of yet. Calls are not sent there. */
  | { readonly kind: 'unknown' }
  | { readonly kind: 'healthy' }
  | { readonly kind: 'unhealthy'; readonly reason: string; readonly passes: number };

/** The health, and what has been counted towards a change of it. */
export interface HealthState {
  readonly health: NodeHealth;
  /** Checks in a row whose answer was no. */
  readonly refusals: number;
  /** Rounds in a row in which the check had no answer. */
  readonly unanswered: number;
  /** The last ones of these, in which nothing else arrived either. */
  readonly silent: number;
}

export type HealthEvidence =
  | { readonly kind: 'checkPassed' }
  | { readonly kind: 'checkRefused'; readonly reason: string }
  /** A round in which a check waited for its answer. `heard`: something else has arrived in it. */
  | { readonly kind: 'unanswered'; readonly heard: boolean }
  /** There is no connection for new calls. */
  | { readonly kind: 'connectionLost'; readonly reason: string };

export interface HealthPolicy {
  /** Answers in a row that say no before a storage is given up. */
  readonly refusalsToLose: number;
  /** Rounds in a row without a sign of life before a storage is given up. */
  readonly silentRoundsToLose: number;
  /** Rounds in a row without the check's answer before a storage is given up. */
  readonly unansweredRoundsToLose: number;
  /** Checks passed in a row before a lost storage is used again. */
  readonly passesToRegain: number;
}

/**
 * With a round every 250 ms, silence counts 2 s after a check was sent. That lets TCP send a lost segment
 * again three times (0.2, 0.6 and 1.4 s after the first, with Linux; the fourth comes at 3 s): shorter
 * would take a network that stuttered for a lost machine.
 */
const defaultHealthPolicy: HealthPolicy = {
  refusalsToLose: 3,
  silentRoundsToLose: 8,
  unansweredRoundsToLose: 40,
  passesToRegain: 2,
};

const nothingCounted = { refusals: 0, unanswered: 0, silent: 0 };

/** Of a storage of which nothing was heard yet. */
export const initialHealth: HealthState = { health: { kind: 'unknown' }, ...nothingCounted };

export interface HealthStep {
  readonly state: HealthState;
  /** Why the storage is taken to hang: its connection is to be dropped, with all calls on it. */
  readonly hangs?: string;
}

export function stepHealth(
  state: HealthState,
  evidence: HealthEvidence,
  policy: HealthPolicy = defaultHealthPolicy,
): HealthStep {
  switch (evidence.kind) {
    case 'connectionLost':
      return { state: lost(evidence.reason) };
    case 'checkPassed':
      return { state: afterPass(state.health, policy) };
    case 'checkRefused':
      return { state: afterRefusal(state, evidence.reason, policy) };
    case 'unanswered':
      return afterUnanswered(state, evidence.heard, policy);
    default:
      return assertNever(evidence);
  }
}

function afterPass(health: NodeHealth, { passesToRegain }: HealthPolicy): HealthState {
  if (health.kind === 'unhealthy' && health.passes + 1 < passesToRegain) {
    return { health: { ...health, passes: health.passes + 1 }, ...nothingCounted };
  }
  return { health: { kind: 'healthy' }, ...nothingCounted };
}

function afterRefusal(state: HealthState, reason: string, policy: HealthPolicy): HealthState {
  const { health } = state;
  if (health.kind === 'unhealthy') return lost(reason);
  const refusals = state.refusals + 1;
  if (health.kind === 'healthy' && refusals < policy.refusalsToLose) {
    return { health, ...nothingCounted, refusals };
  }
  // It answers: the calls that run there may end.
  return lost(reason);
}

function afterUnanswered(state: HealthState, heard: boolean, policy: HealthPolicy): HealthStep {
  const unanswered = state.unanswered + 1;
  const silent = heard ? 0 : state.silent + 1;
  const reason =
    silent >= policy.silentRoundsToLose
      ? `nothing was heard in ${silent} rounds`
      : unanswered >= policy.unansweredRoundsToLose
        ? `no check was answered in ${unanswered} rounds`
        : undefined;
  if (reason === undefined) return { state: { ...state, unanswered, silent } };
  return { state: lost(reason), hangs: reason };
}

function lost(reason: string): HealthState {
  return { health: { kind: 'unhealthy', reason, passes: 0 }, ...nothingCounted };
}
