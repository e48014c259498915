import { describeOperation, type Operation, type Read, type Write } from './register-history.ts';

/** Why a history cannot be what one register does. */
export interface Violation {
  /**
   * - `impossible`: a read returns what nobody wrote, or not yet, or what was refused;
   * - `stale`: a read lacks what was acknowledged before it began;
   * - `order`: reads contradict each other.
   */
  readonly kind: 'impossible' | 'stale' | 'order';
  readonly reason: string;
  /** The operations that contradict each other. */
  readonly operations: readonly Operation[];
}

/** All operations with one value: its write and its reads. */
interface Cluster {
  /** The first that ended, and when. From then on the value has been there. */
  readonly first: Operation | undefined;
  readonly firstEndMs: number;
  /** The last that began, and when. Until then the value was not replaced for good. */
  readonly last: Operation | undefined;
  readonly lastStartMs: number;
}

/**
 * Whether the operations on one register are linearizable: whether each can have happened at one moment
 * between its start and its end, so that every read returns what the last write before it wrote. Writes of
 * unknown outcome may have happened at any moment after their start, or never; refused ones never.
 *
 * As no two writes write the same value, it is known which write each read has seen, and this is enough to
 * look at (P. B. Gibbons and E. Korach, "Testing shared memories", 1997):
 *
 * 1. Every value that was read was written by a write that was not refused and began before the read ended.
 * 2. Take all operations with one value together. One value has to come before another if one of its
 *    operations ends before one of the other's starts. No two values have to come before each other.
 *
 * For 2, a value's zone lies between the first end and the last start of its operations. A value whose
 * operations all overlap has its first end last: its zone is a backward one. Two values contradict each
 * other if both zones are forward and overlap, or if a backward one lies within a forward one. O(n log n).
 *
 * @returns undefined if they are
 */
export function linearizabilityViolation(operations: readonly Operation[]): Violation | undefined {
  const { writes, reads } = apart(operations);
  return impossibleReadOf(reads, writes) ?? contradiction(clustersOf(writes, reads));
}

/**
 * Whether each read, by itself, fits to the writes: it returns a value that was acknowledged last before it
 * began, or that of a write which may have happened since. This is what is promised (I4): a write that is not
 * acknowledged yet may be seen in one place and not in another, so that a later read returns the earlier value.
 * Histories that are linearizable fit, too. O(n log n).
 *
 * @returns undefined if they do
 */
export function staleReadViolation(operations: readonly Operation[]): Violation | undefined {
  const { writes, reads } = apart(operations);
  const impossible = impossibleReadOf(reads, writes);
  if (impossible !== undefined) return impossible;
  const acknowledged = [...writes.values()]
    .filter(({ outcome }) => outcome === 'ok')
    .toSorted((a, b) => compare(a.endMs, b.endMs));
  let ended = 0;
  let youngest: Write | undefined;
  for (const read of reads.toSorted((a, b) => compare(a.startMs, b.startMs))) {
    for (; (acknowledged[ended]?.endMs ?? Infinity) < read.startMs; ended++) {
      youngest = latest([youngest, acknowledged[ended]].filter((write) => write !== undefined));
    }
    const write = writes.get(read.value);
    const isOld = write === undefined || (write.outcome === 'ok' && isBefore(write, youngest));
    if (youngest === undefined || !isOld) continue;
    const named = write === undefined ? [youngest, read] : [write, youngest, read];
    return { kind: 'stale', reason: 'an acknowledged write is missing', operations: named };
  }
  return undefined;
}

function isBefore(one: Operation, other: Operation | undefined): boolean {
  return other !== undefined && one.endMs < other.startMs;
}

function apart(operations: readonly Operation[]) {
  const writes = new Map<string | undefined, Write>();
  const reads: Read[] = [];
  for (const operation of operations) {
    if (operation.kind === 'read') reads.push(operation);
    else writes.set(operation.value, operation);
  }
  return { writes, reads };
}

/** A violation in some lines that a person can read. */
export function describeViolation(register: string, { reason, operations }: Violation): string {
  return [`${register}: ${reason}`, ...operations.map((it) => `  ${describeOperation(it)}`)].join(
    '\n',
  );
}

function impossibleReadOf(
  reads: readonly Read[],
  writes: ReadonlyMap<string | undefined, Write>,
): Violation | undefined {
  for (const read of reads) {
    const impossible = impossibleRead(read, writes);
    if (impossible !== undefined) return impossible;
  }
  return undefined;
}

function impossibleRead(
  read: Read,
  writes: ReadonlyMap<string | undefined, Write>,
): Violation | undefined {
  if (read.value === undefined) return undefined;
  const write = writes.get(read.value);
  const kind = 'impossible';
  if (write === undefined) return { kind, reason: 'a value that nobody wrote', operations: [read] };
  const operations = [write, read];
  if (write.outcome === 'refused') return { kind, reason: 'a refused write was seen', operations };
  if (read.endMs < write.startMs) return { kind, reason: 'read before it was written', operations };
  return undefined;
}

function clustersOf(
  writes: ReadonlyMap<string | undefined, Write>,
  reads: readonly Read[],
): readonly Cluster[] {
  const readsOf = new Map<string | undefined, Read[]>();
  for (const read of reads) {
    const same = readsOf.get(read.value);
    if (same === undefined) readsOf.set(read.value, [read]);
    else same.push(read);
  }
  const clusters = [initialCluster(readsOf.get(undefined) ?? [])];
  for (const [value, write] of writes) {
    const itsReads = readsOf.get(value) ?? [];
    // Nobody can tell of such a write that it happened.
    if (write.outcome !== 'ok' && itsReads.length === 0) continue;
    clusters.push(clusterOf(write, itsReads));
  }
  return clusters;
}

/** The value before all writes was written before all times. */
function initialCluster(reads: readonly Read[]): Cluster {
  const last = latest(reads);
  return {
    first: undefined,
    firstEndMs: -Infinity,
    last,
    lastStartMs: last?.startMs ?? -Infinity,
  };
}

function clusterOf(write: Write, reads: readonly Read[]): Cluster {
  const ended = write.outcome === 'ok' ? [write, ...reads] : reads;
  const first = ended.reduce((a, b) => (b.endMs < a.endMs ? b : a));
  const last = latest([write, ...reads]) ?? write;
  return { first, firstEndMs: first.endMs, last, lastStartMs: last.startMs };
}

function latest<T extends Operation>(operations: readonly T[]): T | undefined {
  let last: T | undefined;
  for (const operation of operations) {
    if (last === undefined || operation.startMs > last.startMs) last = operation;
  }
  return last;
}

function contradiction(clusters: readonly Cluster[]): Violation | undefined {
  const isForward = ({ firstEndMs, lastStartMs }: Cluster) => firstEndMs < lastStartMs;
  const forward = clusters
    .filter(isForward)
    .toSorted((a, b) => compare(a.firstEndMs, b.firstEndMs));
  for (const [index, cluster] of forward.entries()) {
    const before = forward[index - 1];
    if (before !== undefined && before.lastStartMs > cluster.firstEndMs)
      return both(before, cluster);
  }
  for (const cluster of clusters) {
    if (isForward(cluster)) continue;
    const around = lastBefore(forward, cluster.lastStartMs);
    if (around !== undefined && around.lastStartMs > cluster.firstEndMs)
      return both(around, cluster);
  }
  return undefined;
}

/** The last of some clusters, which are in order, whose first end is before `ms`. */
function lastBefore(clusters: readonly Cluster[], ms: number): Cluster | undefined {
  let [low, high] = [0, clusters.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((clusters[middle]?.firstEndMs ?? Infinity) < ms) low = middle + 1;
    else high = middle;
  }
  return clusters[low - 1];
}

function both(one: Cluster, other: Cluster): Violation {
  const named = [one.first, other.last, other.first, one.last];
  return {
    kind: 'order',
    reason: 'each of two values has to come before the other',
    operations: [...new Set(named.filter((operation) => operation !== undefined))],
  };
}

/** Infinities too, whose difference is no number. */
function compare(a: number, b: number): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
