import type { ResourceRequirements } from './generated/gitaly-cluster.ts';
import { timesIn } from './quantity.ts';

/** More cores are better used by more proxies: they survive the loss of a node, too. */
export const maxWorkers = 8;
/** What a worker needs under load, and what the process needs that supervises several. */
const [workerMemory, supervisorMemory] = ['256Mi', '96Mi'];

/**
 * How many workers a proxy has where the spec does not say.
 *
 * 1. One for each whole core of the CPU limit: one more would be throttled with the others, one less would
 *    leave a core unused. Without a limit the request counts, which is what it surely gets.
 * 2. No more than the memory limit carries: a worker that is killed for its memory takes calls along.
 * 3. At least one, and without either figure one: nothing says that there is more than a core.
 */
export function defaultWorkers(resources: ResourceRequirements = {}): number {
  const { limits = {}, requests = {} } = resources;
  const cores = timesIn(limits['cpu'] ?? requests['cpu'] ?? 1, '1');
  const memory = limits['memory'];
  const carried = memory === undefined ? maxWorkers : workersIn(memory);
  return Math.max(1, Math.min(cores, carried, maxWorkers));
}

function workersIn(memory: string | number): number {
  return timesIn(memory, workerMemory, supervisorMemory);
}
