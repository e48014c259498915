import type { JudgedStorage } from './judged-storage.ts';
import { isOldTemplate, type OutdatedReason } from './outdated-reasons.ts';
import type { RollAction } from './roll-action.ts';
import type { RollObservation } from './roll-observation.ts';
import { describeState, fewNames } from './roll-text.ts';
import { isFailed, isForNode, ownDrainOf } from './storage-state.ts';

/** How far the roll of a cluster is. */
export type RollProgress =
  /** No pod is outdated, and nothing that the roll began is unfinished. */
  | { readonly kind: 'upToDate' }
  /** A pod is being replaced. */
  | { readonly kind: 'rolling'; readonly message: string }
  /** Nodes are about to go, and their storages are drained, or wait for that, or for their eviction. */
  | { readonly kind: 'clearingNodes'; readonly message: string }
  /** Pods are outdated, and none may go now. */
  | { readonly kind: 'waiting'; readonly message: string }
  | { readonly kind: 'paused'; readonly message: string }
  /** The wanted revision does not become ready: a person has to correct it. */
  | { readonly kind: 'halted'; readonly message: string };

/** What the operator does now. */
export type RollStep =
  | { readonly kind: 'act'; readonly actions: readonly RollAction[] }
  /** Why, for a person; `storage`: which one waits, if not everything does. */
  | { readonly kind: 'wait'; readonly why: string; readonly storage?: string }
  /** There is nothing to do, or only to wait for what is under way. */
  | { readonly kind: 'none' };

/** What the progress is told from. */
export interface RollProgressInput {
  readonly observation: RollObservation;
  readonly storages: readonly JudgedStorage[];
  /** The storages that are being drained. */
  readonly draining: readonly JudgedStorage[];
  readonly step: RollStep;
}

/** How far the roll is, with a message for a person. */
export function rollProgress(input: RollProgressInput): RollProgress {
  const { observation, storages, step } = input;
  const replaced = storages.find(isBeingReplaced);
  const subject = replaced ?? input.draining[0];
  const reasons = storages.flatMap(({ pod }) => reasonsOf(pod));
  if (reasons.length === 0 && !subject) return { kind: 'upToDate' };
  const isDone = ({ state: { kind } }: JudgedStorage) => kind === 'upToDate' || kind === 'back';
  const count = `${storages.filter(isDone).length} of ${storages.length} storages are up to date`;
  const failed = storages.find(({ state }) => isFailed(state));
  if (failed && (subject ?? isOldTemplate(reasons)))
    return { kind: 'halted', message: haltedMessage(count, failed) };
  if (!replaced && isOnlyForNodes(input)) {
    return { kind: 'clearingNodes', message: clearingMessage(input) };
  }
  if (observation.policy.paused && !replaced) {
    const message = `${count}; set spec.update.paused to false to go on`;
    return { kind: 'paused', message };
  }
  if (subject) return { kind: 'rolling', message: `${count}; ${movingMessage(input, subject)}` };
  if (step.kind === 'act') return { kind: 'rolling', message: `${count}; ${describeStep(step)}` };
  const why = step.kind === 'wait' ? `: ${step.why}` : '';
  return { kind: 'waiting', message: `${count}; the next one waits${why}` };
}

function describeStep({ actions }: Extract<RollStep, { kind: 'act' }>): string {
  return `${fewNames(actions.map(({ storage }) => storage))}: ${actions[0]?.reason ?? ''}`;
}

function movingMessage(
  { storages, draining, step }: RollProgressInput,
  subject: JudgedStorage,
): string {
  const count = storages.filter(isBeingReplaced).length + draining.length;
  const together = count > 1 ? `${count} storages go together, and of them ` : '';
  return `${together}${subject.name} ${describeState(subject)}${describeWait(step, subject)}`;
}

function describeWait(step: RollStep, subject: JudgedStorage): string {
  if (step.kind !== 'wait') return '';
  const isOther = step.storage !== undefined && step.storage !== subject.name;
  return isOther ? `; ${step.storage} waits: ${step.why}` : `, and waits: ${step.why}`;
}

const awayKinds: ReadonlySet<JudgedStorage['state']['kind']> = new Set([
  'stopping',
  'absent',
  'starting',
  'failed',
  'returning',
  'unchecked',
  'flawed',
  'back',
  'broken',
]);

/** Whether the operator has taken its pod down, and it is not back yet. */
export function isBeingReplaced({ state: { kind }, report }: JudgedStorage): boolean {
  return awayKinds.has(kind) && ownDrainOf(report) !== undefined;
}

/** Whether what moves or waits does so for its node alone: not for a roll, or that is paused. */
function isOnlyForNodes({ observation, storages, draining }: RollProgressInput): boolean {
  const { policy } = observation;
  const concerned = draining.length > 0 ? draining : storages;
  return isForNode(
    concerned.flatMap(({ pod }) => reasonsOf(pod)),
    policy,
  );
}

/** Without how many are up to date, as it changes nothing about that. */
function clearingMessage({ storages, draining, step }: RollProgressInput): string {
  const subject = draining[0] ?? storages.find(({ pod }) => pod.kind === 'present' && pod.leaving);
  const wait = step.kind === 'wait' ? `, and waits: ${step.why}` : '';
  return subject
    ? `${subject.name} ${describeState(subject)}${wait}`
    : `nodes are about to go${wait}`;
}

function reasonsOf(pod: JudgedStorage['pod']): readonly OutdatedReason[] {
  return (pod.kind === 'present' ? pod.outdated : undefined) ?? [];
}

function haltedMessage(count: string, failed: JudgedStorage): string {
  const orElse =
    failed.state.kind === 'flawed'
      ? 'If it is well all the same, set spec.update.startupErrors to Ignore'
      : 'If it has no node, as one is cordoned, uncordon that';
  return (
    `${count}; ${failed.name} ${describeState(failed)}. No other pod is replaced. Correct the spec: ` +
    `the correction is applied to this pod first. ${orElse}`
  );
}
