import { sleep, type Clock } from '../../src/base/clock.ts';
import { AdminService } from '../../src/gen/gitaly_operator/v1/admin_pb.ts';
import { RpcError } from '../../src/rpc/rpc-error.ts';
import { statusCodes } from '../../src/rpc/status.ts';
import {
  implement,
  startRpcServer,
  type RpcServer,
  type RpcServerOptions,
} from '../support/rpc-server.ts';
import { PlanTimes } from './plan-times.ts';
import { placementsOf } from './simulated-placements.ts';
import { statusOf, type SimulatedVirtualStorage } from './simulated-status.ts';

/** What the proxies tell of, and where. */
export interface SimulatedProxiesOptions {
  readonly virtualStorage: SimulatedVirtualStorage;
  /** Every proxy's address leads there. */
  readonly listen: RpcServerOptions;
  readonly clock: Clock;
  /** How long the database takes to find out where repositories are. */
  readonly listMs: number;
}

/** The proxies of a cluster, as its operator sees them. */
export interface SimulatedProxies extends RpcServer {
  readonly planTimes: PlanTimes;
}

/** Starts one server for all proxies, which all know the same. */
export async function startSimulatedProxies({
  virtualStorage,
  listen,
  clock,
  listMs,
}: SimulatedProxiesOptions): Promise<SimulatedProxies> {
  const { world, storageNames } = virtualStorage;
  const indexes = new Map(storageNames.map((name, index) => [name, index]));
  const planTimes = new PlanTimes(clock);
  const status = statusOf(virtualStorage);

  function indexOf(storage: string): number {
    const index = indexes.get(storage);
    if (index !== undefined) return index;
    throw new RpcError(statusCodes.INVALID_ARGUMENT, `there is no storage ${storage}`);
  }

  const admin = implement(AdminService, {
    async getStatus() {
      planTimes.noteLook();
      return status();
    },
    async *listPlacements() {
      await sleep(clock, listMs);
      yield* placementsOf(virtualStorage);
      planTimes.noteList();
    },
    async requestDrain({ storage, requester, reason }) {
      planTimes.noteDecision();
      world.requestDrain(indexOf(storage), { requester, reason });
      return {};
    },
    async cancelDrain({ storage }) {
      world.cancelDrain(indexOf(storage));
      return {};
    },
    async setStorageZone({ storage, zone }) {
      world.setZone(indexOf(storage), zone);
      return {};
    },
  });
  return { ...(await startRpcServer([admin], listen)), planTimes };
}
