import type { Drain } from '../gen/gitaly_operator/v1/admin_pb.ts';
import { count } from './table.ts';

/** How far a drain is, in one line. */
export function drainText({ drained, unaware, calls }: Drain): string {
  if (drained) return 'drained';
  const left = calls.map(({ class: kind, count: number, oldestMs, oldestRepository }) => {
    const oldest = `${Math.round(Number(oldestMs) / 1000)} s: ${oldestRepository}`;
    return `${number} ${kind} (oldest ${oldest})`;
  });
  const waiting =
    unaware.length === 0
      ? []
      : [`${count(unaware.length, 'proxy has', 'proxies have')} not taken note`];
  return `draining: ${[...waiting, ...left].join(', ')}`;
}

/** Who wants it, and why. */
export function requestersText({ requesters }: Drain): string {
  return requesters.map(({ requester, reason }) => `${requester}: ${reason}`).join('; ');
}
