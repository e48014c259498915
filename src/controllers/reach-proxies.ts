import type { Pod } from '../api/kubernetes.ts';
import { grpcPort } from '../api/names.ts';
import type { ClusterContext } from '../reconcilers/cluster-context.ts';
import { proxyPart } from '../reconcilers/proxy-objects.ts';
import type { ProxyReport } from '../reconcilers/proxy-report.ts';
import { podsOf } from '../reconcilers/status/pods-of.ts';
import { formatHostAndPort } from '../rpc/address.ts';
import type { ClusterSecrets } from './cluster-secrets.ts';
import type { ProxyEndpoint, ProxyStatusSource } from './proxy-status-source.ts';

/** What the proxies of a cluster say, and how to speak with them. */
export interface ReachedProxies {
  readonly report: ProxyReport;
  /** Those in touch with the database first. */
  readonly endpoints: readonly ProxyEndpoint[];
  /** What they take; undefined if nobody knows. Never gets into logs, statuses or events. */
  readonly token: string | undefined;
}

/** Asks the proxies that have an address, with the token of the clients. */
export async function reachProxies(
  { secrets, proxies }: { readonly secrets: ClusterSecrets; readonly proxies: ProxyStatusSource },
  context: ClusterContext,
  pods: readonly Pod[],
): Promise<ReachedProxies> {
  const { current, previous } = await secrets.clientTokens(context);
  const endpoints = endpointsOf(context, pods);
  if (current.kind === 'unknown') {
    const report = { kind: 'silent', message: current.message } as const;
    return { report, endpoints, token: undefined };
  }
  const report = await proxies.ask(endpoints, current.text);
  // A new token takes a minute or so to get into the proxies' pods.
  if (report.kind === 'silent' && previous !== undefined) {
    return reached(await proxies.ask(endpoints, previous), endpoints, previous);
  }
  return reached(report, endpoints, current.text);
}

function reached(
  report: ProxyReport,
  endpoints: readonly ProxyEndpoint[],
  token: string,
): ReachedProxies {
  const isInTouch = ({ name }: ProxyEndpoint) =>
    report.kind === 'answered' && report.inTouch.includes(name);
  const inOrder = endpoints.toSorted((a, b) => Number(isInTouch(b)) - Number(isInTouch(a)));
  return { report, endpoints: inOrder, token };
}

function endpointsOf(context: ClusterContext, pods: readonly Pod[]): ProxyEndpoint[] {
  return podsOf(context, pods, proxyPart).flatMap(({ metadata, status }) =>
    status?.podIP === undefined || metadata.deletionTimestamp !== undefined
      ? []
      : [{ name: metadata.name, address: formatHostAndPort(status.podIP, grpcPort) }],
  );
}
