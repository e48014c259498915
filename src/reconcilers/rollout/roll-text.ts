import { assertNever } from '../../base/errors.ts';
import { listOf } from '../../base/list-of.ts';
import type { DrainReport, DrainRequester } from '../proxy-report.ts';
import type { JudgedStorage } from './judged-storage.ts';
import { isOldTemplate, type OutdatedReason } from './outdated-reasons.ts';
import { missingReplicas } from './storage-state.ts';

/**
 * Where a storage is in its update, such that its name can go before it: `starts: the pod is not ready yet`.
 * Without calls that come and go, so that it does not change all the time.
 */
export function describeState({ state, pod, report }: JudgedStorage): string {
  const { kind } = state;
  switch (kind) {
    case 'upToDate':
      return 'is up to date';
    case 'outdated':
      return isOldTemplate(state.reasons)
        ? `is outdated: ${describeReasons(state.reasons)}`
        : `is to be drained, as ${leavingOf(pod)}`;
    case 'broken':
      return `is outdated and not ready: ${state.message}`;
    case 'draining':
      return `drains: ${report?.drain ? describeDrain(report.drain) : 'nobody says how far it is'}`;
    case 'overdue':
      return `drains for too long: ${report?.drain ? describeDrain(report.drain) : 'nobody says what is left'}`;
    case 'drained':
      return 'is drained';
    case 'evictable':
      return `may be evicted, as ${leavingOf(pod)}: ${report?.drain ? describeDrain(report.drain) : 'it is drained'}`;
    case 'stopping':
      return 'stops';
    case 'absent':
      return 'has no pod yet';
    case 'starting':
      return `starts: ${state.message}`;
    case 'failed':
      return `does not become ready: ${state.message}`;
    case 'returning':
      return describeReturn(report);
    case 'unchecked':
      return `has its log looked at for errors from its start: ${state.message}`;
    case 'flawed':
      return `is ready, but did not start as it should: ${state.message}`;
    case 'back':
      return 'is back';
    case 'undetermined':
      return 'is not compared with the newest template yet';
    default:
      return assertNever(kind);
  }
}

/** `image and configuration`. */
export function describeReasons(reasons: readonly OutdatedReason[]): string {
  const names = {
    image: 'image',
    configuration: 'configuration',
    template: 'pod template',
    node: 'leaving node',
    maintenance: 'maintenance of its node',
  };
  return listOf(reasons.map((reason) => names[reason]));
}

/** Why the pod's node is about to go. */
export function leavingOf(pod: JudgedStorage['pod']): string {
  return (pod.kind === 'present' ? pod.leaving : undefined) ?? 'its node is about to go';
}

/** What a drain waits for: proxies that have not taken note, then calls. */
export function describeDrain({ unaware, calls, drained }: DrainReport): string {
  if (drained) return 'no client is left';
  if (unaware.length > 0) {
    const have = unaware.length === 1 ? 'has' : 'have';
    return `${listOf(unaware)} ${have} not taken note yet`;
  }
  const oldest = calls.toSorted((a, b) => b.oldestMs - a.oldestMs)[0];
  if (!oldest) return 'no call is left';
  const count = calls.reduce((sum, { count: each }) => sum + each, 0);
  const about = oldest.oldestRepository === '' ? '' : ` of ${oldest.oldestRepository}`;
  const seconds = Math.round(oldest.oldestMs / 1000);
  return `${count} ${count === 1 ? 'call' : 'calls'} left, oldest ${seconds} s (${oldest.class}${about})`;
}

/** Who has asked for a drain and why: `alice (a new disk) and operator (its pod is outdated)`. */
export function describeRequesters({ requesters }: DrainReport): string {
  return listOf(requesters.map(describeRequester));
}

/** `alice (a new disk)`. */
export function describeRequester({ requester, reason }: DrainRequester): string {
  return reason === '' ? requester : `${requester} (${reason})`;
}

function describeReturn(report: JudgedStorage['report']): string {
  if (!report) return 'is not known to the proxies yet';
  if (!report.healthy) return `is ready and not healthy yet: ${report.healthReason}`;
  const { disputedBy = [] } = report;
  if (disputedBy.length > 0) return `is ready and not healthy for ${listOf(disputedBy)} yet`;
  const missing = missingReplicas(report);
  return `is ready, and ${missing} of its ${report.replicas} replicas are not in sync yet`;
}

/** `a`, `a, b and c`, `a, b, c and 5 more`. */
export function fewNames(names: readonly string[]): string {
  return names.length <= 3
    ? listOf(names)
    : `${names.slice(0, 3).join(', ')} and ${names.length - 3} more`;
}
