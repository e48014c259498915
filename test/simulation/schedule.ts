import { pick, seededRandom, type Random } from '../../src/base/random.ts';
import { Cluster } from './cluster.ts';
import type { Scenario } from './scenario.ts';
import { mixedScenario, scenarios } from './scenarios.ts';
import { shortFaults } from './short-faults.ts';
import { ShortRun, type ShortResult, type TimedFault } from './short-run.ts';
import { simulate, ViolationError } from './simulation.ts';
import { Timeline } from './timeline.ts';

/**
 * One run that can be repeated. As a text: `push/7/p1-crashes@31,a-hangs@40`, which is the scenario, the seed, and
 * the faults with the step before which each happens. The scenario `long` is a run of {@link simulate}.
 */
export interface Schedule {
  readonly scenario: string;
  readonly seed: number;
  readonly faults: readonly TimedFault[];
}

export function formatSchedule({ scenario, seed, faults }: Schedule): string {
  return [scenario, seed, faults.map(({ fault, step }) => `${fault}@${step}`).join()].join('/');
}

/** @throws Error if there is no such schedule */
export function parseSchedule(text: string): Schedule {
  const [scenario = '', seed = '', listed = ''] = text.split('/');
  const isKnown = ['mixed', 'long', ...scenarios.map(({ name }) => name)].includes(scenario);
  const faults = listed
    .split(',')
    .filter((part) => part !== '')
    .map((part) => {
      const [fault = '', step = ''] = part.split('@');
      return { fault, step: Number(step) };
    });
  const areKnown = faults.every(({ fault, step }) => shortFaults.has(fault) && step >= 0);
  if (isKnown && areKnown && /^\d+$/.test(seed)) return { scenario, seed: Number(seed), faults };
  throw new Error(`there is no schedule ${text}: see test/simulation/schedule.ts`);
}

/**
 * Plays one schedule.
 *
 * @param isTold whether to keep what happens, to understand a failure
 * @throws ViolationError
 */
export async function play(
  schedule: Schedule,
  isTold = false,
): Promise<ShortResult & { readonly told: readonly string[] }> {
  const { scenario: name, seed, faults } = schedule;
  if (name === 'long') {
    const result = await simulate(seed, isTold);
    return { ...result, steps: 0, faults: 0 };
  }
  const scenario = scenarioOf(name, seed);
  const cluster = new Cluster(seed, isTold, scenario.shape);
  const { timeline } = cluster;
  try {
    const { excludes } = scenario;
    const played = faults.filter(({ fault }) => excludes?.test(fault) !== true);
    const result = await new ShortRun(cluster, scenario, played).play();
    return { ...result, told: timeline.told };
  } catch (error) {
    timeline.tell(() => `VIOLATION: ${String(error)}`);
    throw new ViolationError(formatSchedule(schedule), error, timeline.told);
  }
}

function scenarioOf(name: string, seed: number): Scenario {
  const listed = scenarios.find((scenario) => scenario.name === name);
  return listed ?? mixedScenario(new Timeline(seededRandom(seed ^ 0x5eed), false));
}

/** The crash points of one scenario. */
interface CrashPoints {
  readonly scenario: string;
  readonly steps: number;
}

/**
 * Which schedules are played for a seed. Half of them go through the crash points one by one, as long as there are
 * any: each fault before each step of each scenario. The others have one to three faults by chance.
 */
export class Plan {
  /** Number of crash points. */
  readonly crashPoints: number;
  readonly #seed: number;
  readonly #points: readonly CrashPoints[];
  readonly #stride: number;
  readonly #faults: readonly string[];

  private constructor(seed: number, points: readonly CrashPoints[], faults: readonly string[]) {
    this.#seed = seed;
    this.#points = points;
    this.#faults = faults;
    this.crashPoints = points.reduce((sum, { steps }) => sum + steps, 0) * faults.length;
    this.#stride = strideThrough(this.crashPoints);
  }

  /**
   * Plays each scenario once without faults, to count its steps.
   *
   * @param only the scenarios to play. Default: all, and mixed and long ones
   * @param faults what goes wrong. Default: all
   */
  static async make(
    seed: number,
    only?: readonly string[],
    faults: readonly string[] = [...shortFaults.keys()],
  ): Promise<Plan> {
    const points: CrashPoints[] = [];
    for (const { name } of scenarios) {
      if (only !== undefined && !only.includes(name)) continue;
      points.push({ scenario: name, steps: await stepsOf(name, seed) });
    }
    return new Plan(seed, points, faults);
  }

  /** The schedule of that number, from 0. */
  schedule(number: number): Schedule {
    const index = number >> 1;
    if (number % 2 === 0 && index < this.crashPoints) {
      return this.#crashPoint(
        Number((BigInt(index) * BigInt(this.#stride)) % BigInt(this.crashPoints)),
      );
    }
    return this.#random(seededRandom(this.#seed * 1_000_003 + number));
  }

  #crashPoint(index: number): Schedule {
    const seed = this.#seed;
    let rest = index;
    for (const { scenario, steps } of this.#points) {
      if (rest < steps * this.#faults.length) {
        const fault = this.#faults[Math.floor(rest / steps)] ?? '';
        return { scenario, seed, faults: [{ fault, step: rest % steps }] };
      }
      rest -= steps * this.#faults.length;
    }
    throw new Error(`there is no crash point ${index}`);
  }

  #random(random: Random): Schedule {
    const seed = Math.floor(random.next() * 2 ** 31);
    const listed = pick(random, this.#points)?.scenario ?? 'mixed';
    const isWhole = this.#points.length === scenarios.length;
    if (isWhole && random.next() < 0.003) return { scenario: 'long', seed, faults: [] };
    const scenario = isWhole && random.next() < 0.6 ? 'mixed' : listed;
    const faults: TimedFault[] = [];
    let step = Math.floor(random.next() * 120);
    for (let left = 1 + Math.floor(random.next() * 3); left > 0; left--) {
      faults.push({ fault: pick(random, this.#faults) ?? '', step });
      step += Math.floor(random.next() ** 2 * 80);
    }
    return { scenario, seed, faults };
  }
}

/** One that does not even work without faults has its first steps played all the same. */
async function stepsOf(scenario: string, seed: number): Promise<number> {
  try {
    return (await play({ scenario, seed, faults: [] })).steps;
  } catch (error) {
    if (error instanceof ViolationError) return 60;
    throw error;
  }
}

/** A step that goes through `count` things in an order that mixes them well. */
function strideThrough(count: number): number {
  let stride = Math.floor(count * 0.618);
  while (greatestCommonDivisor(stride, count) !== 1) stride += 1;
  return stride;
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
