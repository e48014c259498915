/** One run of the model checker, and what has to come out. */
export interface Check {
  readonly name: string;
  /** What it shows, in a few words. */
  readonly shows: string;
  /** Macros of the model, see the top of `write-protocol.pml`. */
  readonly settings: Readonly<Record<string, string | number>>;
  /**
   * `holds`: all invariants, in every state. `breaks`: one of them is violated, as a guard is left
   * out. `happens`: a state is reached; a model in which nothing happens would prove nothing.
   */
  readonly expected: 'holds' | 'breaks' | 'happens';
}

type Settings = Check['settings'];

const plain: Settings = {};
const sameReference: Settings = { SAME_REFERENCE: 1 };
const readers: Settings = { READERS: 1 };
const repair: Settings = { REPAIRERS: 1 };
const twoRepairs: Settings = { REPAIRERS: 2, WRITES: 1, IN_SYNC_AT_FIRST: 3 };

const configurations: readonly Check[] = [
  holds('own-references', 'failover, reads', { ...readers, FAILOVERS: 1 }),
  holds('same-reference', 'failover, reads', { ...sameReference, ...readers, FAILOVERS: 1 }),
  holds('repair', 'one repairs, others write', repair),
  holds('repair-same-reference', 'the same', { ...sameReference, ...repair }),
  holds('two-repairs', 'two repair, one writes', twoRepairs),
  holds('reads-and-repair', 'one writes', { ...readers, ...repair, FAILOVERS: 1, WRITES: 1 }),
];

const goals: readonly Check[] = [
  happens('BOTH_ACKNOWLEDGED', 'both writes succeed', plain),
  happens('SETTLED', 'a write is settled by others', plain),
  happens('REPAIRED', 'a replica is brought in sync', twoRepairs),
];

/** Every guard of the model, in its order, with the configuration in which it is needed. */
const guards: readonly Check[] = [
  breaks('INTENT', plain),
  breaks('OWN_PRIMARY', { FAILOVERS: 1 }),
  breaks('LEASE', plain),
  breaks('ALL_VOTED', sameReference),
  breaks('SWAP', plain),
  breaks('FINISHED', plain),
  breaks('IN_SYNC', plain),
  breaks('NOT_SETTLED', repair),
  breaks('ENOUGH', plain),
  breaks('IN_DOUBT', plain),
  breaks('NEW_PRIMARY', plain),
  breaks('DEPARTURES', readers),
  breaks('ALL_DEPARTURES', readers),
  breaks('INTENT_ENDS_BARRIER', plain),
  breaks('SETTLE_BARRIER', plain),
  breaks('SETTLE_QUIET', plain),
  breaks('SETTLE_EQUAL', plain),
  breaks('CLAIM', twoRepairs),
  breaks('COPY_VOTES', twoRepairs),
  breaks('PROMOTE_BARRIER', twoRepairs),
  breaks('PROMOTE_QUIET', repair),
  breaks('PROMOTE_LSN', repair),
  breaks('PROMOTE_SOURCE', repair),
  breaks('PROMOTE_CLAIM', twoRepairs),
  breaks('PROMOTE_EQUAL', repair),
  breaks('LOCKS', sameReference, 'git would not lock'),
  breaks('RUN_OUT', plain, 'commits would come late'),
];

/** Longest first, so that the last ones do not keep one core waiting for another. */
export const checks: readonly Check[] = [...configurations, ...goals, ...guards];

function holds(name: string, shows: string, settings: Settings): Check {
  return { name, shows, settings, expected: 'holds' };
}

function happens(name: string, shows: string, settings: Settings): Check {
  return { name, shows, settings: { ...settings, REACHED: name }, expected: 'happens' };
}

function breaks(name: string, settings: Settings, shows = 'without this guard'): Check {
  return { name, shows, settings: { ...settings, REMOVED: name }, expected: 'breaks' };
}
