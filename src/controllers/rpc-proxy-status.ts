import type { Clock } from '../base/clock.ts';
import { errorMessage } from '../base/errors.ts';
import {
  AdminService,
  type GetStatusResponse,
  type VirtualStorageStatus,
} from '../gen/gitaly_operator/v1/admin_pb.ts';
import type { ProxyReport, VirtualStorageReport } from '../reconcilers/proxy-report.ts';
import { openRpcChannel } from '../rpc/channel.ts';
import { createRpcClient } from '../rpc/client.ts';
import type { ProxyEndpoint, ProxyStatusSource } from './proxy-status-source.ts';

type Answer = Extract<ProxyReport, { kind: 'answered' }>;

const answerLimitMs = 2_000;

/** Asks each proxy for `AdminService.GetStatus`, all at the same time, for 2 seconds at most. */
export function rpcProxyStatus(clock: Clock): ProxyStatusSource {
  async function askOne({ name, address }: ProxyEndpoint, token: string): Promise<Answer> {
    const channel = openRpcChannel({ clock, address: `tcp://${address}`, secret: () => token });
    try {
      const admin = createRpcClient(AdminService, channel);
      return reportOf(name, await admin.getStatus({}, { deadlineMs: answerLimitMs }));
    } catch (thrown) {
      throw new Error(`${name} does not answer: ${errorMessage(thrown)}`, { cause: thrown });
    } finally {
      await channel.stop();
    }
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
  if (first) return first;
  const reasons = answers.flatMap((answer) =>
    answer.status === 'rejected' ? [errorMessage(answer.reason)] : [],
  );
  return { kind: 'silent', message: reasons.join('; ') };
}

function reportOf(name: string, response: GetStatusResponse): Answer {
  return {
    kind: 'answered',
    proxy: name,
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
    })),
  };
}
