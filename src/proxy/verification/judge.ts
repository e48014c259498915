/** What a storage shows of its replica. */
export type Observation =
  | { readonly kind: 'present'; readonly checksum: string }
  | { readonly kind: 'missing' }
  /** It is there, and its references cannot be read. */
  | { readonly kind: 'damaged'; readonly reason: string }
  /** The storage did not say: nothing is known. */
  | { readonly kind: 'unknown'; readonly reason: string };

/** What is wrong with a replica that others are right about. */
export type Flaw = 'missing' | 'damaged' | 'different';

export type Verdict =
  /** All that could be seen are there, and equal. */
  | { readonly kind: 'equal'; readonly unseen: readonly string[] }
  /** Those in `kept` are equal, and right; the others are not. */
  | {
      readonly kind: 'flawed';
      readonly kept: readonly string[];
      readonly flaws: ReadonlyMap<string, Flaw>;
      readonly unseen: readonly string[];
    }
  /** Nobody can tell which is right: a person has to. */
  | { readonly kind: 'undecidable'; readonly finding: string }
  | { readonly kind: 'unseen'; readonly reason: string };

/**
 * Judges the in-sync replicas of one repository, which nothing has changed while they were looked at (pure).
 *
 * A replica that is not there, or cannot be read, is flawed if another one is there. Of those that
 * differ one side is right only if it has more than half of all that may hold something, those that were not seen
 * included. So some replica is always kept, and nobody is ever chosen out of several equally good ones.
 */
export function judge(observations: ReadonlyMap<string, Observation>): Verdict {
  const unseen = storagesThatAre('unknown', observations);
  const missing = storagesThatAre('missing', observations);
  const damaged = storagesThatAre('damaged', observations);
  const groups = groupsOfEqual(observations);
  const [largest, ...smaller] = groups;
  if (largest === undefined) {
    if (unseen.length > 0 || observations.size === 0) {
      return {
        kind: 'unseen',
        reason: `nothing is known of ${unseen.join(', ') || 'any storage'}`,
      };
    }
    return { kind: 'undecidable', finding: nothingLeft(missing, damaged) };
  }
  const different = smaller.flat();
  const candidates = largest.length + different.length + unseen.length;
  if (different.length > 0 && largest.length * 2 <= candidates) {
    return { kind: 'undecidable', finding: differences(groups, unseen) };
  }
  const flaws = new Map<string, Flaw>([
    ...missing.map((storage) => [storage, 'missing'] as const),
    ...damaged.map((storage) => [storage, 'damaged'] as const),
    ...different.map((storage) => [storage, 'different'] as const),
  ]);
  return flaws.size === 0
    ? { kind: 'equal', unseen }
    : { kind: 'flawed', kept: largest, flaws, unseen };
}

/** The largest first. */
function groupsOfEqual(
  observations: ReadonlyMap<string, Observation>,
): readonly (readonly string[])[] {
  const groups = new Map<string, string[]>();
  for (const [storage, seen] of observations) {
    if (seen.kind !== 'present') continue;
    const group = groups.get(seen.checksum) ?? [];
    group.push(storage);
    groups.set(seen.checksum, group);
  }
  return [...groups.values()].toSorted((a, b) => b.length - a.length);
}

function storagesThatAre(
  kind: Observation['kind'],
  observations: ReadonlyMap<string, Observation>,
): readonly string[] {
  return [...observations].flatMap(([storage, seen]) => (seen.kind === kind ? [storage] : []));
}

function nothingLeft(missing: readonly string[], damaged: readonly string[]): string {
  const parts = [
    ...(missing.length > 0 ? [`missing on ${missing.join(', ')}`] : []),
    ...(damaged.length > 0 ? [`cannot be read on ${damaged.join(', ')}`] : []),
  ];
  return `no replica that should be in sync is whole: ${parts.join('; ')}`;
}

function differences(groups: readonly (readonly string[])[], unseen: readonly string[]): string {
  const sides = groups.map((storages) => storages.join(' and ')).join(' | ');
  const rest = unseen.length > 0 ? `; not seen: ${unseen.join(', ')}` : '';
  return `replicas that should be equal differ, and no majority is: ${sides}${rest}`;
}
