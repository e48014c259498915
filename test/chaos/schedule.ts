import { pick, seededRandom, type Random } from '../../src/base/random.ts';

/** What is hit. Which one of its kind that is, is told by a number, from 0, modulo how many there are. */
export type Target =
  | { readonly kind: 'storage' | 'proxy' | 'node'; readonly index: number }
  | { readonly kind: 'database' | 'operator' };

/** What is done to it. */
type FaultKind =
  /** Every process of the pod gets SIGKILL. Kubernetes starts its container again. */
  | 'kill'
  /** The pod is deleted with the grace that it asks for, and made anew. */
  | 'restart'
  /** Every process of the pod stands still (SIGSTOP), and goes on later. */
  | 'hang'
  /** Nothing gets to it or from it, and nobody is told so. */
  | 'cut off'
  /** Every write of git to its disk fails. */
  | 'fill'
  /** All that runs on it is killed at once and its cable is pulled; later it boots. */
  | 'power off';

/** One fault. Times are milliseconds. */
export interface Fault {
  readonly what: FaultKind;
  readonly whom: Target;
  /** Strikes so long after its wave began. */
  readonly afterMs: number;
  /** Is mended so long after it struck; 0 for what Kubernetes mends by itself. */
  readonly forMs: number;
}

/**
 * Faults that are under way together. A wave ends when all of them are mended and every pod is ready again;
 * replicas may still be behind, and repairs go on into the next wave.
 *
 * - `bearable`: takes at most one storage away at a time, be it by itself or with its node. Proxies, the
 *   database and the operator may go at any time: writes stop then, and nothing is lost.
 * - `rough`: takes away anything, all storages at once too.
 *
 * Nothing is hit twice at the same time, and no more than one node is without power.
 */
export interface Wave {
  readonly kind: 'bearable' | 'rough';
  /** In the order in which they strike. */
  readonly faults: readonly Fault[];
  /** Peace after it, until the next. */
  readonly restMs: number;
}

/** What there is to hit. */
export interface Surroundings {
  readonly storages: number;
  readonly proxies: number;
  /** 0 where nodes are not ours to break. */
  readonly nodes: number;
  /** Only these faults strike, of {@link faultNames}. Default: all. */
  readonly only?: readonly string[];
}

/** How long something stands still or is away: around the 2 to 2.5 s after which it counts as lost. */
const shortMs = { from: 200, to: 2_400 };
const longMs = { from: 3_000, to: 12_000 };

/** How often each kind strikes a target, relative to the others. */
const kindsOf: Readonly<Record<Target['kind'], readonly FaultKind[]>> = {
  storage: ['kill', 'kill', 'restart', 'hang', 'hang', 'cut off', 'fill'],
  proxy: ['kill', 'kill', 'restart', 'hang', 'hang', 'cut off'],
  node: ['power off', 'cut off', 'cut off'],
  database: ['kill', 'restart', 'hang', 'cut off'],
  operator: ['kill', 'restart', 'hang'],
};

/** What can strike whom, like `cut off node`. */
export const faultNames: readonly string[] = Object.entries(kindsOf).flatMap(([target, kinds]) =>
  [...new Set(kinds)].map((kind) => `${kind} ${target}`),
);

const targetKinds: readonly Target['kind'][] = [
  ...Array.from({ length: 5 }, () => 'storage' as const),
  ...Array.from({ length: 4 }, () => 'proxy' as const),
  'node',
  'database',
  'database',
  'operator',
];

/** So many faults are thought of for a wave, most of which may not join it. */
const maxAttempts = 30;

/** The waves that a seed stands for, without end. The same seed gives the same waves. */
export function* wavesOf(seed: number, surroundings: Surroundings): Generator<Wave, never> {
  const random = seededRandom(seed);
  for (;;) {
    const kind = random.next() < 0.6 ? 'bearable' : 'rough';
    const wanted = 3 + Math.floor(random.next() * 3);
    const faults: Fault[] = [];
    for (let attempt = 0; attempt < maxAttempts && faults.length < wanted; attempt++) {
      const fault = randomFault(random, surroundings);
      if (fault !== undefined && mayJoin(fault, faults, kind)) faults.push(fault);
    }
    const inOrder = faults.toSorted((a, b) => a.afterMs - b.afterMs);
    yield { kind, faults: inOrder, restMs: between(random, { from: 0, to: 5_000 }) };
  }
}

/** Whether a fault may be under way together with others. */
function mayJoin({ what, whom }: Fault, others: readonly Fault[], kind: Wave['kind']): boolean {
  if (others.some((other) => isSame(other.whom, whom))) return false;
  const isOff = (it: Fault) => it.what === 'power off';
  if (what === 'power off' && others.some(isOff)) return false;
  const takesStorage = (target: Target) => target.kind === 'storage' || target.kind === 'node';
  return kind === 'rough' || !takesStorage(whom) || !others.some((it) => takesStorage(it.whom));
}

function isSame(one: Target, other: Target): boolean {
  return describeTarget(one) === describeTarget(other);
}

function randomFault(random: Random, surroundings: Surroundings): Fault | undefined {
  const whom = randomTarget(random, surroundings);
  if (whom === undefined) return undefined;
  const { only } = surroundings;
  const isWanted = (kind: FaultKind) => only?.includes(`${kind} ${whom.kind}`) !== false;
  const what = pick(random, kindsOf[whom.kind].filter(isWanted));
  if (what === undefined) return undefined;
  const afterMs = between(random, { from: 0, to: 6_000 });
  return { what, whom, afterMs, forMs: durationMs(random, what) };
}

function randomTarget(
  random: Random,
  { storages, proxies, nodes }: Surroundings,
): Target | undefined {
  const kind = pick(random, targetKinds);
  if (kind === undefined) return undefined;
  if (kind === 'database' || kind === 'operator') return { kind };
  const count = { storage: storages, proxy: proxies, node: nodes }[kind];
  return count === 0 ? undefined : { kind, index: Math.floor(random.next() * count) };
}

function durationMs(random: Random, what: FaultKind): number {
  if (what === 'kill' || what === 'restart') return 0;
  const isShort = what !== 'power off' && random.next() < 0.4;
  return between(random, isShort ? shortMs : longMs);
}

function between(random: Random, { from, to }: { readonly from: number; readonly to: number }) {
  return Math.round(from + random.next() * (to - from));
}

/** Like `storage 1`. */
export function describeTarget(target: Target): string {
  return 'index' in target ? `${target.kind} ${target.index}` : target.kind;
}

/** Like `hang storage 1 for 3.2 s`. */
export function describeFault({ what, whom, forMs }: Fault): string {
  const duration = forMs === 0 ? '' : ` for ${(forMs / 1000).toFixed(1)} s`;
  return `${what} ${describeTarget(whom)}${duration}`;
}
