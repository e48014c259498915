import { pick, type Random } from '../../base/random.ts';
import { homeOf } from './home.ts';
import { isDraining, isHealthy, type NodeView } from './node-view.ts';
import { inSyncVoters, type RepositoryRecord } from './repository-record.ts';

/** What is expected of the replicas of a virtual storage. */
export interface ReplicationPolicy {
  readonly replicationFactor: number;
  readonly minInSyncReplicas: number;
}

/** Nothing can serve the call now; the text tells why, for the client. */
export interface Unavailable {
  readonly kind: 'unavailable';
  readonly reason: string;
}

export type ReadRoute = { readonly kind: 'read'; readonly storage: string } | Unavailable;

/**
 * Where to send a read: the least busy healthy replica that is in sync, `excluded` ones left out
 * (a first attempt failed there). Reads of one turn of the event loop keep each other company, as long
 * as that leaves no replica with more than {@link callsForCompany} calls above the least busy one.
 * Reads that ask for the primary get it, or nothing. Storages that are being drained get only what no other can
 * serve; for a primary there, any other replica that is in sync stands in: it could be the primary as well.
 */
export function routeRead(
  record: RepositoryRecord,
  nodes: NodeView,
  options: {
    readonly primaryOnly: boolean;
    /** The primary if it can be had, else any. Default false. */
    readonly preferPrimary?: boolean;
    readonly excluded: ReadonlySet<string>;
    readonly random: Random;
  },
): ReadRoute {
  const { primaryOnly, preferPrimary = false, excluded, random } = options;
  const inSync = inSyncVoters(record);
  const isUsable = (storage: string) => isHealthy(nodes, storage) && !excluded.has(storage);
  const hasStandIn =
    isDraining(nodes, record.primary) &&
    inSync.some((storage) => isUsable(storage) && !isDraining(nodes, storage));
  const wanted = primaryOnly && !hasStandIn ? [record.primary] : inSync;
  const usable = wanted.filter(isUsable);
  const storage =
    preferPrimary && !hasStandIn && usable.includes(record.primary)
      ? record.primary
      : leastBusy(usable, nodes, random);
  if (storage !== undefined) return { kind: 'read', storage };
  return {
    kind: 'unavailable',
    reason: primaryOnly ? `the primary ${record.primary} cannot be reached` : noneInSync(inSync),
  };
}

/** Nobody but a person can say what is to be done then: the text names the commands that help. */
function noneInSync(inSync: readonly string[]): string {
  return (
    `none of the in-sync replicas (${inSync.join(', ') || 'none'}) can be reached: bring one of them back, ` +
    'or, if they are lost, see "gitaly-ha repository dataloss", ' +
    'and give up what only they hold with "gitaly-ha repository accept-dataloss"'
  );
}

/** For the sake of one write fewer, a read goes where up to so many calls more are running. */
export const callsForCompany = 8;

function leastBusy(
  storages: readonly string[],
  nodes: NodeView,
  random: Random,
): string | undefined {
  let least = Number.POSITIVE_INFINITY;
  let equals: string[] = [];
  for (const storage of storages) {
    const {
      outstanding = 0,
      isWriting = false,
      isDraining: goes = false,
    } = nodes.get(storage) ?? {};
    const own = isWriting ? outstanding - callsForCompany : outstanding;
    const load = goes ? Number.POSITIVE_INFINITY : own;
    if (load < least) {
      least = load;
      equals = [storage];
    } else if (load === least) equals.push(storage);
  }
  return pick(random, equals);
}

export type WriteRoute =
  | {
      readonly kind: 'write';
      readonly primary: string;
      /** Primary first. */
      readonly voters: readonly string[];
      readonly learners: readonly string[];
    }
  /** The primary has to move to this storage first: the one that it is on cannot be it. */
  | { readonly kind: 'failover'; readonly to: string }
  /** The primary has to move to this storage first: the one that it is on is being drained. */
  | { readonly kind: 'makeWay'; readonly to: string }
  /** The primary is to move to this storage first: it is at home there, see {@link homeOf}. */
  | { readonly kind: 'comeHome'; readonly to: string }
  | Unavailable;

/** Who takes part in a write: the primary and every healthy in-sync voter, and healthy learners. */
export function routeWrite(
  record: RepositoryRecord,
  nodes: NodeView,
  policy: ReplicationPolicy,
): WriteRoute {
  const inSync = inSyncVoters(record);
  const voters = inSync.filter((storage) => isHealthy(nodes, storage));
  const isSound = (storage: string) =>
    nodes.get(storage)?.failsWrites !== true && !isDraining(nodes, storage);
  const home = homeOf(record);
  const isHomeReady = (storage: string) =>
    storage === home && isSound(storage) && nodes.get(storage)?.isSteady === true;
  const successor = voters.find(isHomeReady) ?? voters.find(isSound) ?? voters[0];
  if (successor === undefined) return { kind: 'unavailable', reason: noneInSync(inSync) };
  if (voters.length < policy.minInSyncReplicas) {
    return {
      kind: 'unavailable',
      reason:
        `a write needs ${policy.minInSyncReplicas} in-sync replicas, ` +
        `and ${voters.length} of ${inSync.length} can be reached`,
    };
  }
  if (!voters.includes(record.primary)) return { kind: 'failover', to: successor };
  if (!isSound(record.primary) && isSound(successor)) {
    return { kind: isDraining(nodes, record.primary) ? 'makeWay' : 'failover', to: successor };
  }
  if (successor !== record.primary && isHomeReady(successor)) {
    return { kind: 'comeHome', to: successor };
  }
  const learners = record.replicas
    .filter((replica) => replica.role === 'learner' && isHealthy(nodes, replica.storage))
    .map((replica) => replica.storage);
  return {
    kind: 'write',
    primary: record.primary,
    voters: primaryFirst(voters, record.primary),
    learners,
  };
}

/**
 * Whether a write that lacks in-sync replicas can be made as soon as repair has done its work: enough replicas can be
 * reached, and one that the others can be copied from.
 */
export function isMendable(
  record: RepositoryRecord,
  nodes: NodeView,
  { minInSyncReplicas }: ReplicationPolicy,
): boolean {
  const reachable = record.replicas.filter(
    ({ storage, role }) => role !== 'leaving' && isHealthy(nodes, storage),
  );
  const hasSource = inSyncVoters(record).some((storage) => isHealthy(nodes, storage));
  return hasSource && reachable.length >= minInSyncReplicas;
}

export type MaintenanceRoute =
  | {
      readonly kind: 'maintenance';
      /** The primary first, if it can be reached. */
      readonly storages: readonly string[];
    }
  | Unavailable;

/**
 * Where maintenance goes: to every replica that can be reached, those that are behind among them, as
 * their disks fill too. One that nothing was copied to yet has nothing to maintain, and one whose storage is
 * being drained waits for its turn, unless there is no other.
 */
export function routeMaintenance(record: RepositoryRecord, nodes: NodeView): MaintenanceRoute {
  const reachable = record.replicas
    .filter(
      ({ storage, role, lsn }) => role !== 'leaving' && lsn >= 0n && isHealthy(nodes, storage),
    )
    .map(({ storage }) => storage);
  const staying = reachable.filter((storage) => !isDraining(nodes, storage));
  const storages = staying.length > 0 ? staying : reachable;
  if (storages.length === 0) {
    const all = record.replicas.map(({ storage }) => storage).join(', ');
    return { kind: 'unavailable', reason: `none of the replicas (${all}) can be reached` };
  }
  const primaryFirst = (storage: string) => (storage === record.primary ? 0 : 1);
  return {
    kind: 'maintenance',
    storages: storages.toSorted((a, b) => primaryFirst(a) - primaryFirst(b)),
  };
}

/**
 * The storages as a write has to see them that opens a second repository on each of them: one that
 * does not hold `opened` in sync cannot take part.
 */
export function nodesHolding(nodes: NodeView, opened: RepositoryRecord): NodeView {
  const holders = new Set(inSyncVoters(opened));
  const reason = `${opened.relativePath} is not in sync there`;
  return new Map(
    [...nodes].map(([storage, node]) => [
      storage,
      holders.has(storage) ? node : { ...node, healthy: false, reason },
    ]),
  );
}

/** The same storages, the primary before the others if it is one of them. */
export function primaryFirst(storages: readonly string[], primary: string): readonly string[] {
  if (!storages.includes(primary)) return storages;
  return [primary, ...storages.filter((storage) => storage !== primary)];
}
