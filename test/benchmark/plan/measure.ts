import { once } from 'node:events';
import { planGroup } from '../../../src/reconcilers/rollout/plan-group.ts';
import { layouts, requestOf } from './layouts.ts';

/** What the process of one point is told. */
export interface Order {
  /** Of the layout. */
  readonly name: string;
  readonly repositories: number;
}

/** What one plan takes. */
export interface Measurement extends Order {
  readonly storages: number;
  /** Different sets of storages that hold repositories. */
  readonly sets: number;
  /** How many storages may go together. */
  readonly group: number;
  /** The first plan of a process: much of its code is yet to be compiled. */
  readonly firstMs: number;
  /** The median of those that follow. */
  readonly medianMs: number;
  /** What the placements take. */
  readonly inputMiB: number;
  /** The most that the process ever had: with its code, and with what made the placements. */
  readonly peakMiB: number;
}

const laterPlans = 5;

const [{ name, repositories }] = (await once(process, 'message')) as [Order];
const layout = layouts.find((one) => one.name === name);
if (layout === undefined) throw new Error(`there is no layout ${name}`);

const beforeMiB = memoryMiB();
const request = requestOf(layout, repositories);
const inputMiB = memoryMiB() - beforeMiB;
const { plan, ms: firstMs } = timed();
const later = Array.from({ length: laterPlans }, () => timed().ms).toSorted((a, b) => a - b);
const measurement: Measurement = {
  name,
  repositories,
  storages: request.storages.length,
  sets: request.placements.repositories.length,
  group: plan.group.length,
  firstMs,
  medianMs: later[Math.floor(laterPlans / 2)] ?? Number.NaN,
  inputMiB,
  peakMiB: process.resourceUsage().maxRSS / 1024,
};
process.send?.(measurement);

function timed() {
  const startedMs = performance.now();
  const plan = planGroup(request);
  return { plan, ms: performance.now() - startedMs };
}

/** What is in use, typed arrays too. */
function memoryMiB(): number {
  globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return (heapUsed + arrayBuffers) / 2 ** 20;
}
