/**
 * The operator's part, in a process of its own: asks where repositories are, as the operator does, and plans, again
 * and again, as it does while storages wait.
 */
import { once } from 'node:events';
import { systemClock } from '../../../src/base/clock.ts';
import { rpcPlacements } from '../../../src/controllers/rpc-placements.ts';
import { planGroup } from '../../../src/reconcilers/rollout/plan-group.ts';
import { inOrderOfPreference } from '../../../src/reconcilers/rollout/rollout-storage.ts';
import { median } from '../relay/comparison.ts';
import { layoutNamed, storagesOf } from './layouts.ts';

/** What the process of one point is told. */
export interface Order {
  /** Of the layout. */
  readonly name: string;
  readonly repositories: number;
  /** `host:port` of what tells where they are. */
  readonly address: string;
}

/** What it takes to find out where repositories are, and to plan. */
export interface Measurement extends Omit<Order, 'address'> {
  readonly storages: number;
  /** Sets of storages that hold repositories, the one for new repositories of each virtual storage among them. */
  readonly sets: number;
  /** How many storages may go together. */
  readonly group: number;
  /** CPU time that this process needs for a list of all sets: the median. */
  readonly listCpuMs: number;
  /** The first plan of a process: much of its code is yet to be compiled. */
  readonly firstPlanMs: number;
  /** The median of those that follow. */
  readonly laterPlanMs: number;
  /** The most that the process ever had, after all lists and plans. */
  readonly peakMiB: number;
}

const rounds = 6;

const [{ name, repositories, address }] = (await once(process, 'message')) as [Order];
const layout = layoutNamed(name);
const storages = storagesOf(layout);
const source = rpcPlacements({ clock: systemClock });

const { sets, group, planMs: firstPlanMs, ...first } = await round();
const later: Awaited<ReturnType<typeof round>>[] = [];
while (later.length < rounds - 1) later.push(await round());
const measurement: Measurement = {
  name,
  repositories,
  storages: storages.length,
  sets,
  group,
  listCpuMs: median([first, ...later].map(({ listCpuMs }) => listCpuMs)),
  firstPlanMs,
  laterPlanMs: median(later.map(({ planMs }) => planMs)),
  peakMiB: process.resourceUsage().maxRSS / 1024,
};
process.send?.(measurement);

async function round() {
  const before = process.cpuUsage();
  const listed = await source.list([{ name: 'the server', address }], 'token', storages);
  const { user, system } = process.cpuUsage(before);
  if (listed.kind === 'unknown') throw new Error(listed.message);
  const { placements } = listed;
  const startedMs = performance.now();
  const plan = planGroup({
    storages,
    candidates: inOrderOfPreference(storages),
    placements,
    limits: {
      minAvailableReplicas: new Map(
        storages.map(({ virtualStorage }) => [virtualStorage, layout.minAvailableReplicas]),
      ),
      groupSize: storages.length,
      maxUnavailable: storages.length,
    },
  });
  return {
    sets: placements.repositories.length,
    group: plan.group.length,
    listCpuMs: (user + system) / 1000,
    planMs: performance.now() - startedMs,
  };
}
