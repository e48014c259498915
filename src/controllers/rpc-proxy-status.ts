import type { Clock } from '../base/clock.ts';
import { errorMessage } from '../base/errors.ts';
import type {
  Drain,
  GetStatusResponse,
  VirtualStorageStatus,
} from '../gen/gitaly_operator/v1/admin_pb.ts';
import type {
  DrainReport,
  ProxyReport,
  StorageReport,
  VirtualStorageReport,
} from '../reconcilers/proxy-report.ts';
import { callAdmin } from './call-admin.ts';
import type { ProxyEndpoint, ProxyStatusSource } from './proxy-status-source.ts';

type Answer = Extract<ProxyReport, { kind: 'answered' }>;

/** Asks each proxy for `AdminService.GetStatus`, all at the same time, for 2 seconds at most. */
export function rpcProxyStatus(clock: Clock): ProxyStatusSource {
  async function askOne(proxy: ProxyEndpoint, token: string): Promise<Answer> {
    const response = await callAdmin({ clock, proxy, token }, (admin, options) =>
      admin.getStatus({}, options),
    );
    return reportOf(proxy.name, response);
  }

  return {
    async ask(proxies, token) {
      if (proxies.length === 0) return { kind: 'silent', message: 'no proxy has an address yet' };
      const answers = await Promise.allSettled(proxies.map((proxy) => askOne(proxy, token)));
      return best(answers);
    },
  };
}

/** A proxy in touch with the database knows most; then one that knows more virtual storages. */
function best(answers: readonly PromiseSettledResult<Answer>[]): ProxyReport {
  const given = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
  const [first] = given.toSorted(
    (a, b) =>
      Number(b.storeReachable) - Number(a.storeReachable) ||
      b.virtualStorages.length - a.virtualStorages.length,
  );
  if (first)
    return compared(
      first,
      given.filter(({ storeReachable }) => storeReachable),
    );
  const reasons = answers.flatMap((answer) =>
    answer.status === 'rejected' ? [errorMessage(answer.reason)] : [],
  );
  return { kind: 'silent', message: reasons.join('; ') };
}

/** The answer, with what others in touch have to say of it. */
function compared(answer: Answer, inTouch: readonly Answer[]): Answer {
  const disputedBy = (virtualStorage: string, { name, healthy }: StorageReport) =>
    inTouch.flatMap(({ proxy, virtualStorages }) => {
      const known = virtualStorages.find((one) => one.name === virtualStorage)?.storages;
      const other = known?.find((one) => one.name === name);
      return other && other.healthy !== healthy ? [proxy] : [];
    });
  const virtualStorages = answer.virtualStorages.map((virtualStorage) => {
    const storages = virtualStorage.storages.map((storage) => {
      const disputing = disputedBy(virtualStorage.name, storage);
      return disputing.length === 0 ? storage : { ...storage, disputedBy: disputing };
    });
    return Object.assign({}, virtualStorage, { storages });
  });
  return { ...answer, inTouch: inTouch.map(({ proxy }) => proxy), virtualStorages };
}

function reportOf(name: string, response: GetStatusResponse): Answer {
  return {
    kind: 'answered',
    proxy: name,
    inTouch: response.storeReachable ? [name] : [],
    storeReachable: response.storeReachable,
    virtualStorages: response.virtualStorages.map(virtualStorageReport),
  };
}

function virtualStorageReport(status: VirtualStorageStatus): VirtualStorageReport {
  return {
    name: status.name,
    repositories: Number(status.repositories),
    fullyReplicated: Number(status.fullyReplicated),
    degraded: Number(status.degraded),
    atRisk: Number(status.atRisk),
    unavailable: Number(status.unavailable),
    undecided: Number(status.undecided),
    storages: status.storages.map((storage) => ({
      name: storage.name,
      healthy: storage.healthy,
      healthReason: storage.healthReason,
      replicas: Number(storage.replicas),
      inSync: Number(storage.inSync),
      primaries: Number(storage.primaries),
      ...(storage.moving > 0n && { moving: Number(storage.moving) }),
      ...(storage.zone !== '' && { zone: storage.zone }),
      ...(storage.drain && { drain: drainReport(storage.drain) }),
    })),
  };
}

function drainReport({ requesters, unaware, calls, drained }: Drain): DrainReport {
  return {
    requesters: requesters.map(({ requester, reason, requestedAtMs }) => ({
      requester,
      reason,
      requestedMs: Number(requestedAtMs),
    })),
    unaware,
    calls: calls.map(({ class: callClass, count, oldestMs, oldestRepository }) => ({
      class: callClass,
      count: Number(count),
      oldestMs: Number(oldestMs),
      oldestRepository,
    })),
    drained,
  };
}
