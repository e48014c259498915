import type { Clock } from '../base/clock.ts';
import { assertNever, errorMessage } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { EffectiveSpec } from '../api/effective-spec.ts';
import type { GitalyCluster } from '../api/generated/gitaly-cluster.ts';
import type { EventRecorder, EventText } from '../kube/event-recorder.ts';
import type { KubeClient } from '../kube/kube-client.ts';
import { isKubeError } from '../kube/kube-error.ts';
import { resourceTypes } from '../kube/resource-types.ts';
import { cordonPatch } from '../reconcilers/maintenance/node-mark.ts';
import { evictionPatch } from '../reconcilers/rollout/eviction-marks.ts';
import type { RollAction } from '../reconcilers/rollout/roll-action.ts';
import { drainRequester } from '../reconcilers/rollout/storage-state.ts';
import { referenceTo } from './object-reference.ts';
import type { ProxyDrains } from './proxy-drains.ts';
import type { ReachedProxies } from './reach-proxies.ts';

/** What carries out the steps of a roll. */
export interface RollExecutorOptions {
  readonly client: Pick<KubeClient, 'delete' | 'merge'>;
  readonly clock: Clock;
  readonly drains: ProxyDrains;
  readonly events: EventRecorder;
}

/** A roll's actions, and what they are about. */
export interface RollRun {
  readonly cluster: GitalyCluster;
  readonly actions: readonly RollAction[];
  readonly grace: EffectiveSpec['update']['grace'];
  readonly proxies: Pick<ReachedProxies, 'endpoints' | 'token'>;
  readonly logger: Logger;
}

/**
 * Does the actions in their order, and tells of each by an event. Stops at the first that fails, and tells of that
 * too: the next look finds what is left. Never rejects.
 */
export async function executeRoll(options: RollExecutorOptions, run: RollRun): Promise<void> {
  const regarding = referenceTo(run.cluster);
  for (const action of run.actions) {
    const failure = await attempt(options, run, action);
    const { storage, virtualStorage } = action;
    const fields = { action: action.kind, storage, virtualStorage, reason: action.reason };
    if (failure === undefined) run.logger.info(fields, 'a step of the update is done');
    else run.logger.warn({ ...fields, failure }, 'a step of the update has failed');
    const text = failure === undefined ? eventOf(action) : failedEvent(action, failure);
    await options.events.record(regarding, { ...text, action: 'Update' });
    if (failure !== undefined) return;
  }
}

/** Why it failed; undefined if it did not. */
async function attempt(
  options: RollExecutorOptions,
  run: RollRun,
  action: RollAction,
): Promise<string | undefined> {
  switch (action.kind) {
    case 'requestDrain':
      return changeDrain(options, run, action);
    case 'cancelDrain':
      return (
        (action.uid === undefined
          ? undefined
          : await changePod(options, run, { ...action, uid: action.uid })) ??
        changeDrain(options, run, action)
      );
    case 'cordonNode':
      return cordonNode(options, action);
    case 'deletePod':
    case 'allowEviction':
    case 'refuseEviction':
      return changePod(options, run, action);
    default:
      return assertNever(action);
  }
}

type DrainAction = Extract<RollAction, { readonly kind: 'requestDrain' | 'cancelDrain' }>;
type PodChange = Pick<RollAction, 'kind' | 'storage'> & { readonly uid: string };

async function changeDrain(
  { drains }: RollExecutorOptions,
  { proxies, grace }: RollRun,
  { kind, virtualStorage, storage, reason }: DrainAction,
): Promise<string | undefined> {
  if (proxies.token === undefined) return 'the token of the clients is not known';
  const place = { virtualStorage, storage, requester: drainRequester };
  const answer = await drains.change(
    proxies.endpoints,
    proxies.token,
    kind === 'cancelDrain' ? { kind, ...place } : { kind, ...place, reason, grace },
  );
  return answer.kind === 'failed' ? answer.message : undefined;
}

async function changePod(
  { client, clock }: RollExecutorOptions,
  { cluster }: RollRun,
  { kind, storage, uid }: PodChange,
): Promise<string | undefined> {
  const name = { namespace: cluster.metadata.namespace ?? '', name: storage };
  try {
    if (kind === 'deletePod') await client.delete(resourceTypes.pod, name, uid);
    else {
      const patch = evictionPatch(uid, kind === 'allowEviction', clock.wallMs());
      await client.merge(resourceTypes.pod, name, patch);
    }
    return undefined;
  } catch (thrown) {
    // Another pod of that name, or none, is what is wanted.
    const isGone = isKubeError(thrown, 404) || isKubeError(thrown, 409);
    return isGone ? undefined : errorMessage(thrown);
  }
}

async function cordonNode(
  { client }: RollExecutorOptions,
  { node, mark }: Extract<RollAction, { readonly kind: 'cordonNode' }>,
): Promise<string | undefined> {
  try {
    await client.merge(resourceTypes.node, { namespace: '', name: node }, cordonPatch(mark));
    return undefined;
  } catch (thrown) {
    return `node ${node} cannot be cordoned: ${errorMessage(thrown)}`;
  }
}

type RollEvent = Omit<EventText, 'action'>;

function eventOf(action: RollAction): RollEvent {
  const { kind, storage, reason } = action;
  switch (kind) {
    case 'requestDrain': {
      const note = `clients are kept away from ${storage}: ${reason}`;
      return { type: 'Normal', reason: 'DrainRequested', note };
    }
    case 'cancelDrain': {
      const note = `clients may use ${storage} again: ${reason}`;
      return { type: 'Normal', reason: 'DrainCancelled', note };
    }
    case 'deletePod': {
      const note = `the pod of ${storage} is replaced: ${reason}`;
      return action.cutsCalls
        ? { type: 'Warning', reason: 'DrainDeadlinePassed', note }
        : { type: 'Normal', reason: 'PodReplaced', note };
    }
    case 'allowEviction': {
      const note = `the pod of ${storage} may be evicted: ${reason}`;
      return action.cutsCalls
        ? { type: 'Warning', reason: 'DrainDeadlinePassed', note }
        : { type: 'Normal', reason: 'EvictionAllowed', note };
    }
    case 'refuseEviction': {
      const note = `the pod of ${storage} may not be evicted any more: ${reason}`;
      return { type: 'Normal', reason: 'EvictionRefused', note };
    }
    case 'cordonNode': {
      const note = `node ${action.node} is cordoned: ${reason}`;
      return { type: 'Normal', reason: 'NodeCordoned', note };
    }
    default:
      return assertNever(action);
  }
}

function failedEvent({ kind, storage }: RollAction, failure: string): RollEvent {
  const note = `${kind} of ${storage} has failed, and is tried again: ${failure}`;
  return { type: 'Warning', reason: 'UpdateStepFailed', note };
}
