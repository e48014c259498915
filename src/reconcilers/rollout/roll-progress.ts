import type { JudgedStorage } from './judged-storage.ts';
import type { RollObservation } from './roll-observation.ts';
import { describeState } from './roll-text.ts';
import { ownDrainOf } from './storage-state.ts';

/** How far the roll of a cluster is. */
export type RollProgress =
  /** No pod is outdated, and nothing that the roll began is unfinished. */
  | { readonly kind: 'upToDate' }
  /** A pod is being replaced. */
  | { readonly kind: 'rolling'; readonly message: string }
  /** Pods are outdated, and none may go now. */
  | { readonly kind: 'waiting'; readonly message: string }
  | { readonly kind: 'paused'; readonly message: string }
  /** The wanted revision does not become ready: a person has to correct it. */
  | { readonly kind: 'halted'; readonly message: string };

/** What the operator does now, in words for a person. */
type RollStep =
  | { readonly kind: 'act'; readonly what: string }
  | { readonly kind: 'wait'; readonly why: string }
  /** There is nothing to do, or only to wait for what is under way. */
  | { readonly kind: 'none' };

/** What the progress is told from. */
export interface RollProgressInput {
  readonly observation: RollObservation;
  readonly storages: readonly JudgedStorage[];
  /** The storage that is being drained. */
  readonly current: JudgedStorage | undefined;
  readonly step: RollStep;
}

/** How far the roll is, with a message for a person. */
export function rollProgress(input: RollProgressInput): RollProgress {
  const { observation, storages, step } = input;
  const replaced = storages.find(isBeingReplaced);
  const subject = replaced ?? input.current;
  const isOutdated = storages.some(({ pod }) => isPodOutdated(pod));
  if (!isOutdated && !subject) return { kind: 'upToDate' };
  const isDone = ({ state: { kind } }: JudgedStorage) => kind === 'upToDate' || kind === 'back';
  const count = `${storages.filter(isDone).length} of ${storages.length} storages are up to date`;
  const failed = storages.find(({ state }) => state.kind === 'failed');
  if (failed) return { kind: 'halted', message: haltedMessage(count, failed) };
  if (observation.policy.paused && !replaced) {
    const message = `${count}; set spec.update.paused to false to go on`;
    return { kind: 'paused', message };
  }
  if (subject) {
    const wait = step.kind === 'wait' ? `, and waits: ${step.why}` : '';
    return {
      kind: 'rolling',
      message: `${count}; ${subject.name} ${describeState(subject)}${wait}`,
    };
  }
  if (step.kind === 'act') return { kind: 'rolling', message: `${count}; ${step.what}` };
  const why = step.kind === 'wait' ? `: ${step.why}` : '';
  return { kind: 'waiting', message: `${count}; the next one waits${why}` };
}

/** Whether the operator has taken its pod down, and it is not back yet. */
export function isBeingReplaced({ state: { kind }, report }: JudgedStorage): boolean {
  const isAway = ['stopping', 'absent', 'starting', 'failed', 'returning', 'back', 'broken'];
  return isAway.includes(kind) && ownDrainOf(report) !== undefined;
}

function isPodOutdated(pod: JudgedStorage['pod']): boolean {
  return pod.kind === 'present' && pod.outdated !== undefined && pod.outdated.length > 0;
}

function haltedMessage(count: string, failed: JudgedStorage): string {
  return (
    `${count}; ${failed.name} ${describeState(failed)}. No other pod is replaced. Correct the spec: ` +
    'the correction is applied to this pod first'
  );
}
