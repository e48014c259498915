import { sleep } from '../../base/clock.ts';
import { assertNever } from '../../base/errors.ts';
import type { RepositoryRecord } from '../routing/repository-record.ts';
import {
  isMendable,
  nodesHolding,
  routeWrite,
  type Unavailable,
  type WriteRoute,
} from '../routing/route.ts';
import type { RepositoryKey } from '../store/control-store.ts';
import { hasBarrier } from '../transactions/barrier-changes.ts';
import { movePrimary } from '../transactions/record-changes.ts';
import type { VirtualStorage } from '../upstream/storage-directory.ts';
import type { RelayContext } from './context.ts';

/** Whether a write may begin, and with whom. */
export type Admission =
  | {
      readonly kind: 'admitted';
      readonly record: RepositoryRecord;
      readonly route: WriteRoute & { readonly kind: 'write' };
    }
  | { readonly kind: 'notFound' }
  | Unavailable;

/**
 * A write waits at most this long for a failover, a repair or abandoned writes. Longer than a barrier may last: what
 * holds it back for that long is over then.
 */
const admissionLimitMs = 15_000;
/** How often a record is looked at again while something holds a write back. */
const recheckMs = 25;

/** A creation that is not settled: to everybody else the repository does not exist yet. */
export function isBeingCreated(record: RepositoryRecord): boolean {
  return record.intents.some((intent) => intent.kind === 'creation');
}

/**
 * Finds out with whom a write begins, and clears the way:
 *
 * 1. Writes of owners that are gone are settled first: until then nobody knows what the replicas hold.
 * 2. A repair's barrier is waited for.
 * 3. A primary that cannot be reached, or fails writes, is replaced by an in-sync voter; one that is not where it
 *    is at home comes back when it can.
 * 4. If too few replicas are in sync, and repair can mend that, it is waited for: it takes these first.
 *
 * @param opened a second repository that the storages open for the write: those that do not hold it in
 *   sync are left out, and repair gets time to bring it to enough of them
 * @throws StoreUnavailableError if the store is needed and does not answer
 */
export async function admitWrite(
  key: RepositoryKey,
  virtualStorage: VirtualStorage,
  context: RelayContext,
  opened?: RepositoryKey,
): Promise<Admission> {
  const { view, clock, membership } = context;
  const giveUpAtMs = clock.monotonicMs() + admissionLimitMs;
  let obstacle = '';
  while (clock.monotonicMs() < giveUpAtMs) {
    const record = await view.get(key);
    if (record === undefined) return { kind: 'notFound' };
    if (record.intents.some((intent) => membership.isAbandoned(intent))) {
      obstacle = 'an earlier write is being settled';
      await context.settleAbandoned(record);
    } else if (isBeingCreated(record)) {
      return { kind: 'notFound' };
    } else if (hasBarrier(record, clock.wallMs())) {
      obstacle = 'replicas are being compared';
    } else {
      const other = opened === undefined ? undefined : await view.get(opened);
      const all = virtualStorage.nodes();
      const nodes = other === undefined ? all : nodesHolding(all, other);
      const route = routeWrite(record, nodes, virtualStorage.policy);
      if (route.kind === 'write') return { kind: 'admitted', record, route };
      if (isMove(route)) {
        await move(record, route, context);
        continue;
      }
      obstacle = route.reason;
      if (other !== undefined) obstacle += `, with ${other.relativePath} in sync there too`;
      else if (!virtualStorage.isSettling() && !isMendable(record, nodes, virtualStorage.policy)) {
        return route;
      }
    }
    await sleep(clock, recheckMs);
  }
  return { kind: 'unavailable', reason: obstacle };
}

type PrimaryMove = Extract<WriteRoute, { readonly to: string }>;

function isMove(route: WriteRoute): route is PrimaryMove {
  return 'to' in route;
}

async function move(
  record: RepositoryRecord,
  { kind, to }: PrimaryMove,
  context: RelayContext,
): Promise<void> {
  const { view, logger, metrics } = context;
  const moved = await view.change<'stale' | 'already' | 'notInSync'>(record, (current) =>
    current.primary === record.primary ? movePrimary(current, to) : stale,
  );
  if (moved.kind !== 'changed') return;
  const { virtualStorage, relativePath, primary: from } = record;
  const details = { virtualStorage, relativePath, from, to };
  switch (kind) {
    case 'failover':
      metrics.failedOver(virtualStorage);
      logger.warn(details, 'the primary has moved: the old one cannot be reached, or fails writes');
      return;
    case 'makeWay':
      metrics.madeWay(virtualStorage);
      logger.info(details, 'the primary has moved: its storage is being drained');
      return;
    case 'comeHome':
      metrics.cameHome(virtualStorage);
      logger.info(details, 'the primary is back on the storage where it is at home');
      return;
    default:
      assertNever(kind);
  }
}

/** Another proxy has moved the primary already. */
const stale = { kind: 'refuse', reason: 'stale' } as const;
