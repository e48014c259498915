import { systemClock } from '../base/clock.ts';
import { systemRandom } from '../base/random.ts';
import { Scope, type Stoppable } from '../base/scope.ts';
import { DatabaseMetrics } from '../proxy/admin/database-metrics.ts';
import { startHttpServer } from '../proxy/admin/http-server.ts';
import { ServingState } from '../proxy/admin/serving-state.ts';
import { startGrpcListener } from '../proxy/relay/grpc-listener.ts';
import type { StorageDirectory } from '../proxy/upstream/storage-directory.ts';
import type { RepositoryView } from '../proxy/view/repository-view.ts';
import { defaultVerificationPolicy, queueIntervalMs } from '../proxy/verification/policy.ts';
import { grpcAddresses, portsByKind, readHostAndPort } from './listen-address.ts';
import { createRelay, createStorages } from './proxy-parts.ts';
import { httpAnswers, type ProxyReports } from './proxy-reports.ts';
import type { ProxyServerOptions } from './proxy-server-options.ts';
import { takeLeave } from './stop-proxy.ts';
import { untilAvailable } from './until-available.ts';

export interface ProxyServer extends Stoppable {
  /** 0 if it does not listen in plain text. All are 0 for a worker, which listens to nothing. */
  readonly grpcPort: number;
  /** 0 if it does not listen with TLS. */
  readonly grpcTlsPort: number;
  readonly httpPort: number;
  /** Takes its leave of the clients as the configuration says, see {@link takeLeave}, and ends. */
  stop(): Promise<void>;
  /** Stops without waiting for clients: calls that run are cut. */
  stopNow(): Promise<void>;
}

/**
 * Starts a proxy. Resolves when it serves.
 *
 * 1. Liveness, readiness and metrics are there from the beginning: a proxy that waits for its
 *    database is alive, says what it waits for, and is not started again and again.
 * 2. The store is opened, however long it takes.
 * 3. Calls are taken.
 */
export async function startProxyServer(options: ProxyServerOptions): Promise<ProxyServer> {
  const {
    config,
    logger,
    clock = systemClock,
    random = systemRandom,
    signal,
    supervisor,
  } = options;
  const waiting = { clock, random, logger, ...(signal === undefined ? {} : { signal }) };
  const addresses = grpcAddresses(config, options.certificate);
  const scope = new Scope();
  try {
    const base = createStorages(options);
    let databaseMetrics: DatabaseMetrics | undefined;
    let notReady = (): string | undefined => 'waiting for the database';
    const httpPort = await tellOf(options, scope, {
      notReady: () => notReady(),
      metrics: base.metrics.registry,
      databaseMetrics: () => databaseMetrics?.registry,
    });
    const store = await untilAvailable(waiting, () => options.openStore());
    scope.own(store);
    const { verification = defaultVerificationPolicy } = config;
    databaseMetrics = new DatabaseMetrics({
      store,
      storages: base.storages,
      clock,
      verificationIntervalMs: queueIntervalMs(verification),
    });
    const serving = new ServingState();
    const relay = createRelay(options, base, store, serving);
    const { dispatcher, view, membership, drains, settings, disks } = relay;
    const { repairLoop, verificationLoop, volumes } = relay;
    await untilAvailable(waiting, () => view.start());
    scope.own(view);
    // Owned before it has started: a lease that was taken by a call whose answer was lost is given back.
    scope.own(membership);
    await untilAvailable(waiting, () => membership.start());
    // After the lease: whoever waits for a drain finds this proxy alive, or it finds the drain.
    scope.own(drains);
    await untilAvailable(waiting, () => drains.start());
    scope.own(settings);
    await untilAvailable(waiting, () => settings.start());
    // Without connections all that waits for storages ends. A repair may have gone on for an hour.
    scope.own(disks);
    scope.own(repairLoop);
    scope.own(verificationLoop);
    scope.own(volumes);
    scope.own(base.storages).start(volumes);
    disks.start();
    repairLoop.start();
    verificationLoop.start();
    const listener = scope.own(
      await startGrpcListener({
        addresses,
        dispatcher,
        clock,
        logger,
        readBuffer: base.readBuffer,
        ...(options.clientLimits === undefined ? {} : { limits: options.clientLimits }),
        onConnection: (kind) => base.metrics.connectionAccepted(kind),
        ...(supervisor && { acceptedAt: (index) => supervisor.acceptedAt(index) }),
      }),
    );
    notReady = () => whyNotReady(serving, base.storages, view);
    const ports = { ...portsByKind(addresses, listener.ports), httpPort };
    logger.info({ owner: options.owner, ...(supervisor === undefined && ports) }, 'proxy serves');
    const hurry = new AbortController();
    const leave = async () => {
      serving.stop();
      await takeLeave({
        policy: config.stop,
        listener,
        calls: dispatcher,
        writes: base.writes,
        onCut: (calls) => base.metrics.callsCut(calls),
        clock,
        logger,
        hurry: hurry.signal,
      });
      // The lease goes last but for the store: until then the others count on this proxy.
      await scope.stop();
    };
    let stopped: Promise<void> | undefined;
    const stop = () => (stopped ??= leave());
    return {
      ...ports,
      stop,
      stopNow() {
        hurry.abort();
        return stop();
      },
    };
  } catch (error) {
    await scope.stop();
    throw error;
  }
}

/** Answers over HTTP, or leaves that to the supervisor. Returns the port. */
async function tellOf(
  { config, supervisor }: ProxyServerOptions,
  scope: Scope,
  reports: ProxyReports,
): Promise<number> {
  if (supervisor !== undefined) {
    supervisor.report(reports);
    return 0;
  }
  const address = readHostAndPort(config.httpListen);
  return scope.own(await startHttpServer(address, httpAnswers(reports))).port;
}

/** Unready proxies get no new connections; one that has heard of no storage cannot serve a call. */
function whyNotReady(
  serving: ServingState,
  storages: StorageDirectory,
  view: RepositoryView,
): string | undefined {
  if (!serving.isServing) return 'the proxy is stopping';
  const heard = storages.all.some(({ storages: members }) =>
    members.some(({ health }) => health.kind === 'healthy'),
  );
  if (heard) return undefined;
  return view.connected
    ? 'no storage can be reached'
    : 'neither a storage nor the database can be reached';
}
