import type { JudgedStorage } from './judged-storage.ts';
import { isOldTemplate } from './outdated-reasons.ts';
import { blockOf } from './roll-gate.ts';
import { isBeingReplaced } from './roll-progress.ts';
import { describeState } from './roll-text.ts';
import { isWaiting, lastTurnMs, leavesByEviction, type RollView } from './roll-view.ts';
import { isFailed, ownDrainOf } from './storage-state.ts';
import { together, type Together, type TogetherRequest } from './together.ts';
import { byNodeToClear, wholeNodes } from './whole-nodes.ts';

/** Which storages may take the next step now, and why others may not. */
export interface Turn {
  readonly may: readonly JudgedStorage[];
  /** By name, for a person, the most wanted first: those that should take it and may not. */
  readonly waits: ReadonlyMap<string, string>;
  /** Whether it would take where repositories are to say more: it was not asked yet. */
  readonly needsPlacements: boolean;
}

const nothing: Turn = { may: [], waits: new Map(), needsPlacements: false };
const notAsked = 'where the repositories are is being looked up';

/** Which drained storages may lose their pods now, those with the oldest drains first. */
export function departingTurn(view: RollView): Turn {
  const ready = view.draining.filter(({ state }) => state.kind !== 'draining');
  const alone = ready.find((one) => strictBlock(view, one) === undefined);
  if (alone) return mayGo([alone], ready, `${alone.name} goes first`);
  const failed = view.storages.find(({ state }) => isFailed(state));
  if (failed) return mayGo([], ready, `${failed.name} ${describeState(failed)}`);
  const candidates = ready.filter((one) => !leavesByEviction(view, one));
  const { group, placements } = view.observation;
  if (group.size === 1 || candidates.length === 0) return strictly(view, ready);
  if (!placements) return { ...mayGo([], ready, notAsked), needsPlacements: true };
  if (placements.kind === 'unknown') return mayGo([], ready, unknown(placements.message));
  const groupSize = group.size - view.storages.filter(isBeingReplaced).length;
  return planned(view, together(view, { candidates, groupSize, ...placements }));
}

/**
 * Which storages may be drained now: a group, or the one that nobody would miss. One that goes by its eviction goes
 * alone: when it goes is for somebody else, and who else may be away with it would have to be looked up all the time.
 */
export function beginningTurn(view: RollView): Turn {
  const order = inOrder(view.storages.filter((one) => isWaiting(view, one)));
  const [preferred] = order;
  const { size } = view.observation.group;
  const underWay = view.storages.some(({ report }) => ownDrainOf(report));
  if (underWay) return nothing;
  if (size === 1 || preferred === undefined) return strictly(view, order);
  const failed = view.storages.find(({ state }) => isFailed(state));
  if (failed) return mayGo([], order, `${failed.name} ${describeState(failed)}`);
  const isFirst = !view.storages.some(isProven);
  if (isFirst || leavesByEviction(view, preferred)) {
    const turn = strictly(view, order);
    if (turn.may.length > 0) return turn;
  }
  return groupTurn(view, order, isFirst ? 1 : size);
}

function groupTurn(view: RollView, order: readonly JudgedStorage[], groupSize: number): Turn {
  const candidates = order.filter((one) => !leavesByEviction(view, one));
  if (candidates.length === 0) return strictly(view, order);
  const { placements } = view.observation;
  if (!placements) return { ...mayGo([], order, notAsked), needsPlacements: true };
  if (placements.kind === 'unknown') {
    const turn = strictly(view, order);
    return turn.may.length > 0 ? turn : mayGo([], order, unknown(placements.message));
  }
  const plan = wholly(view, { candidates, groupSize, ...placements });
  // What no group may have, as its repositories have no replicas to spare, goes as it would without groups.
  if (plan.group.length === 0) {
    const turn = strictly(view, order);
    return turn.may.length > 0 ? turn : { ...turn, waits: new Map([...turn.waits, ...plan.waits]) };
  }
  return planned(view, plan);
}

/**
 * As `together`, but of nodes in maintenance all storages or none; or else all of one node; or else one storage, which
 * has to be back elsewhere before the next.
 */
function wholly(view: RollView, request: TogetherRequest): Together {
  const plan = together(view, request);
  const whole = wholeNodes(plan.group, view.storages);
  if (whole.length > 0 || plan.group.length === 0) return narrowed(plan, whole);
  for (const candidates of byNodeToClear(request.candidates)) {
    const { group } = together(view, { ...request, candidates });
    if (group.length === candidates.length) return narrowed(plan, group);
  }
  return narrowed(plan, plan.group.slice(0, 1));
}

function narrowed(plan: Together, group: readonly JudgedStorage[]): Together {
  const dropped = plan.group.filter((one) => !group.includes(one));
  const why = 'another storage of its node may not go with it';
  const waits = new Map([...plan.waits, ...dropped.map(({ name }) => [name, why] as const)]);
  for (const { name } of group) waits.delete(name);
  return { group, waits };
}

function planned(view: RollView, { group, waits }: Together): Turn {
  const may = withoutSecondTrials(view, group);
  const others = group.filter((one) => !may.includes(one));
  const why = 'the new revision is tried on another one first';
  return {
    may,
    waits: new Map([...waits, ...others.map(({ name }) => [name, why] as const)]),
    needsPlacements: false,
  };
}

/** The first that may go by the rule for one at a time. */
function strictly(view: RollView, order: readonly JudgedStorage[]): Turn {
  const chosen = order.find((one) => strictBlock(view, one) === undefined);
  if (chosen) return mayGo([chosen], order, `${chosen.name} goes first`);
  const waits = order.map((one) => [one.name, strictBlock(view, one) ?? ''] as const);
  return { may: [], waits: new Map(waits), needsPlacements: false };
}

function strictBlock({ storages, observation }: RollView, one: JudgedStorage): string | undefined {
  return blockOf(one, storages, observation);
}

function mayGo(may: readonly JudgedStorage[], order: readonly JudgedStorage[], why: string): Turn {
  const others = order.filter((one) => !may.includes(one));
  return { may, waits: new Map(others.map(({ name }) => [name, why])), needsPlacements: false };
}

const unknown = (message: string) => `nobody says where repositories are: ${message}`;

/** Drained ones first, then those that had no turn yet, then those whose node leaves, then by primaries. */
function inOrder(storages: readonly JudgedStorage[]): readonly JudgedStorage[] {
  const isDrained = ({ report }: JudgedStorage) => Number(report?.drain !== undefined);
  const isLeaving = ({ pod }: JudgedStorage) =>
    Number(pod.kind === 'present' && pod.leaving !== undefined);
  const primaries = ({ report }: JudgedStorage) => report?.primaries ?? 0;
  return storages.toSorted(
    (a, b) =>
      isDrained(b) - isDrained(a) ||
      lastTurnMs(a) - lastTurnMs(b) ||
      isLeaving(b) - isLeaving(a) ||
      primaries(a) - primaries(b),
  );
}

/** Whether its pod shows that the revision wanted works. */
function isProven({ state }: JudgedStorage): boolean {
  if (state.kind === 'outdated') return !isOldTemplate(state.reasons);
  return state.kind === 'upToDate' || state.kind === 'back';
}

const trialKinds: ReadonlySet<JudgedStorage['state']['kind']> = new Set([
  'stopping',
  'absent',
  'starting',
  'failed',
  'undetermined',
  'returning',
  'unchecked',
  'flawed',
]);

/** Whether its pod is one of the revision wanted, or will be, and does not show yet whether that works. */
function isTrial({ state: { kind } }: JudgedStorage): boolean {
  return trialKinds.has(kind);
}

/**
 * Those of a group that do not try a revision a second time: where nothing in the cluster shows yet that it works, the
 * first alone; and of each virtual storage of which that is true, the first.
 */
function withoutSecondTrials(
  { storages }: RollView,
  group: readonly JudgedStorage[],
): readonly JudgedStorage[] {
  const trials = storages.filter(isTrial);
  if (!storages.some(isProven)) return trials.length === 0 ? group.slice(0, 1) : [];
  const isOf =
    ({ virtualStorage }: JudgedStorage) =>
    (one: JudgedStorage) =>
      one.virtualStorage === virtualStorage;
  return group.filter((one) => {
    if (storages.filter(isOf(one)).some(isProven)) return true;
    return !trials.some(isOf(one)) && group.find(isOf(one)) === one;
  });
}
