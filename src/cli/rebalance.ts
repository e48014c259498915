import { sleep, type Clock } from '../base/clock.ts';
import type { GitalyClient } from '../client/gitaly-client.ts';
import type { RebalancedStorage, RepositoryStatus } from '../gen/gitaly_operator/v1/admin_pb.ts';
import { RpcError } from '../rpc/rpc-error.ts';
import { statusCodes } from '../rpc/status.ts';
import { MoveSchedule, type PlannedMove } from './move-schedule.ts';

/** What is planned. */
export interface RebalanceScheme {
  readonly storages: readonly RebalancedStorage[];
  /** How many moves that takes. */
  readonly count: number;
  /** The first of them. */
  readonly moves: readonly PlannedMove[];
}

export interface PlanRequest {
  readonly virtualStorage: string;
  /** 0: as many as it takes. */
  readonly maxMoves: number;
  readonly tolerancePercent: number;
}

/** Moves that are kept in memory. The rest is planned anew when these are done. */
const maxKept = 10_000;

/** Asks for a plan. Nothing moves by that. */
export async function readScheme(
  { admin }: Pick<GitalyClient, 'admin'>,
  request: PlanRequest,
): Promise<RebalanceScheme> {
  const moves: PlannedMove[] = [];
  let storages: readonly RebalancedStorage[] = [];
  let count = 0;
  for await (const part of admin.planRebalance(request)) {
    moves.push(...part.moves.slice(0, maxKept - moves.length));
    count += part.moves.length;
    storages = part.storages;
  }
  return { storages, count, moves };
}

/** What has become of a move. */
export interface MoveResult {
  readonly move: PlannedMove;
  readonly outcome:
    | 'moved'
    /** The proxies did not take it: something has changed since it was planned. */
    | 'refused'
    /** Somebody has called it off. */
    | 'calledOff'
    /** The repository is gone. */
    | 'removed';
  /** Why it was refused; otherwise empty. */
  readonly reason: string;
}

export interface CarryOutOptions {
  readonly client: Pick<GitalyClient, 'admin'>;
  readonly virtualStorage: string;
  /** Moves at once from or to a storage. */
  readonly perStorage: number;
  readonly clock: Clock;
  /** How long proxies may not answer until it is given up. */
  readonly patienceMs: number;
}

/** How often it is looked how far moves are. */
const lookMs = 500;

/**
 * Asks the proxies for moves, some at once, and waits for each. What was asked for goes on without the caller: who stops
 * here and begins again later finds it done, or under way.
 *
 * @throws RpcError with what the proxies fail with
 */
export async function* carryOut(
  moves: readonly PlannedMove[],
  options: CarryOutOptions,
): AsyncGenerator<MoveResult> {
  const { clock, perStorage, patienceMs } = options;
  const schedule = new MoveSchedule(moves, perStorage);
  const asked = new Set<PlannedMove>();
  let answeredAtMs = clock.monotonicMs();
  while (!schedule.isDone) {
    schedule.begin();
    for (const move of schedule.running) {
      try {
        const result = await progressOf(move, asked, options);
        answeredAtMs = clock.monotonicMs();
        if (result === undefined) continue;
        schedule.end(move);
        yield { move, ...result };
      } catch (error) {
        const isShort = clock.monotonicMs() - answeredAtMs < patienceMs;
        if (!(error instanceof RpcError && error.retryable && isShort)) throw error;
      }
    }
    if (!schedule.isDone) await sleep(clock, lookMs);
  }
}

/** One step further with a move: asks for it, or looks how far it is. Undefined: it is under way. */
async function progressOf(
  move: PlannedMove,
  asked: Set<PlannedMove>,
  { client, virtualStorage }: CarryOutOptions,
): Promise<Omit<MoveResult, 'move'> | undefined> {
  const { relativePath, from, to } = move;
  if (!asked.has(move)) {
    try {
      await client.admin.moveReplica({ virtualStorage, relativePath, from, to });
    } catch (error) {
      const { code, message } = error instanceof RpcError ? error : { message: '' };
      if (code === statusCodes.NOT_FOUND) return { outcome: 'removed', reason: '' };
      if (code === statusCodes.FAILED_PRECONDITION) return { outcome: 'refused', reason: message };
      throw error;
    }
    asked.add(move);
    return undefined;
  }
  for await (const status of client.admin.listRepositories({ virtualStorage, relativePath })) {
    const outcome = outcomeOf(status, move);
    return outcome && { outcome, reason: '' };
  }
  return { outcome: 'removed', reason: '' };
}

/** Undefined as long as it is under way. It is over when the old replica is gone from the disk. */
function outcomeOf(
  { replicas }: RepositoryStatus,
  { from, to }: PlannedMove,
): 'moved' | 'calledOff' | undefined {
  if (replicas.some(({ storage, replaces }) => storage === to && replaces === from))
    return undefined;
  const old = replicas.find(({ storage }) => storage === from);
  if (old === undefined) return 'moved';
  return old.role === 'leaving' ? undefined : 'calledOff';
}
