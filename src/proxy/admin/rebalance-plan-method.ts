import type { MessageInitShape } from '@bufbuild/protobuf';
import type {
  PlannedMove,
  PlanRebalanceRequest,
  PlanRebalanceResponseSchema,
} from '../../gen/gitaly_operator/v1/admin_pb.ts';
import { statusCodes } from '../../rpc/status.ts';
import { RebalancePlan, type StorageShare } from '../placement/rebalance-plan.ts';
import type { RelayContext } from '../relay/context.ts';
import { LocalCallError } from '../relay/local-method.ts';
import { moveOf, type Move } from '../routing/repository-record.ts';
import type { ControlStore } from '../store/control-store.ts';
import type { VirtualStorage } from '../upstream/storage-directory.ts';
import { allRepositories } from './all-repositories.ts';
import { summarize } from './summary.ts';

type Part = MessageInitShape<typeof PlanRebalanceResponseSchema>;
type Planned = Pick<PlannedMove, 'relativePath' | 'from' | 'to'>;

const movesOfPart = 500;
const defaultTolerancePercent = 5;

/** Plans over all records, in the store's pages: no more than a part of the plan is in memory. */
export async function* planRebalance(
  request: Pick<PlanRebalanceRequest, 'virtualStorage' | 'maxMoves' | 'tolerancePercent'>,
  { storages, store }: Pick<RelayContext, 'storages' | 'store'>,
  signal: AbortSignal,
): AsyncGenerator<Part> {
  const virtualStorage = storages.get(request.virtualStorage);
  if (virtualStorage === undefined) {
    const message = `there is no virtual storage ${request.virtualStorage}`;
    throw new LocalCallError(statusCodes.INVALID_ARGUMENT, message);
  }
  const { maxMoves, tolerancePercent = defaultTolerancePercent } = request;
  const shares = await sharesOf(virtualStorage, store);
  const nodes = virtualStorage.nodes();
  const { name, policy } = virtualStorage;
  const plan = new RebalancePlan({
    storages: shares,
    nodes,
    policy,
    tolerance: tolerancePercent / 100,
  });
  const disks = new DiskUse(virtualStorage, shares);
  const part: Planned[] = [];
  let left = maxMoves === 0 ? Infinity : maxMoves;
  if (!plan.isBalanced) {
    for await (const record of allRepositories(store, { virtualStorage: name })) {
      if (signal.aborted) return;
      const { relativePath } = record;
      for (const move of plan.movesOf(record, left)) {
        disks.move(move);
        part.push({ relativePath, ...move });
        left -= 1;
      }
      if (left === 0) break;
      if (part.length < movesOfPart) continue;
      yield { moves: part.splice(0) };
      if (plan.isBalanced) break;
    }
  }
  yield {
    moves: part,
    storages: shares.map(({ storage, replicas }) => {
      const { before, after } = disks.of(storage);
      return {
        name: storage,
        replicasBefore: BigInt(replicas),
        replicasAfter: BigInt(plan.replicasOf(storage) ?? replicas),
        usedBytesBefore: before,
        usedBytesAfter: after,
      };
    }),
  };
}

/** By the size of their disks, or the same for all where one is not known. */
async function sharesOf(
  virtualStorage: VirtualStorage,
  store: ControlStore,
): Promise<readonly StorageShare[]> {
  const counts = await replicasByStorage(virtualStorage, store);
  const names = [...virtualStorage.nodes().keys()];
  const sizes = names.map((storage) => virtualStorage.weighing(storage).disk?.totalBytes ?? 0);
  const areKnown = sizes.every((size) => size > 0);
  return names.map((storage, index) => ({
    storage,
    replicas: counts.get(storage) ?? 0,
    capacity: areKnown ? (sizes[index] ?? 1) : 1,
  }));
}

/** Those that are to stay: what leaves or is being moved away counts no more. */
async function replicasByStorage(
  virtualStorage: VirtualStorage,
  store: ControlStore,
): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  const add = (storage: string, count: number) =>
    counts.set(storage, (counts.get(storage) ?? 0) + count);
  const { placements } = await summarize(virtualStorage, store);
  for (const { placement, repositories } of placements) {
    for (const { storage, role } of placement.replicas) {
      if (role !== 'leaving') add(storage, repositories);
    }
  }
  const unsettled = { virtualStorage: virtualStorage.name, onlyUnsettled: true };
  for await (const record of allRepositories(store, unsettled)) {
    const from = moveOf(record)?.from;
    const isThere = record.replicas.some(
      ({ storage, role }) => storage === from && role !== 'leaving',
    );
    if (from !== undefined && isThere) add(from, -1);
  }
  return counts;
}

/** What is used on the disks, and what would be after moves, as far as that is known. */
class DiskUse {
  readonly #before = new Map<string, number>();
  readonly #changes = new Map<string, number>();
  readonly #sizes = new Map<string, number>();

  constructor(virtualStorage: VirtualStorage, shares: readonly StorageShare[]) {
    for (const { storage, replicas } of shares) {
      const { disk } = virtualStorage.weighing(storage);
      if (disk === undefined) continue;
      const used = disk.totalBytes - disk.freeBytes;
      this.#before.set(storage, used);
      this.#sizes.set(storage, used / Math.max(1, replicas));
    }
  }

  move({ from, to }: Move): void {
    const size = this.#sizes.get(from) ?? 0;
    this.#changes.set(from, (this.#changes.get(from) ?? 0) - size);
    this.#changes.set(to, (this.#changes.get(to) ?? 0) + size);
  }

  of(storage: string): { readonly before: bigint; readonly after: bigint } {
    const before = this.#before.get(storage);
    if (before === undefined) return { before: 0n, after: 0n };
    const after = Math.max(0, before + (this.#changes.get(storage) ?? 0));
    return { before: BigInt(before), after: BigInt(Math.round(after)) };
  }
}
