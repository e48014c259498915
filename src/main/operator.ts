import { pino } from 'pino';

import { systemClock, withTimeout } from '../base/clock.ts';
import { errorMessage } from '../base/errors.ts';
import { systemRandom } from '../base/random.ts';
import { Scope, type Stoppable } from '../base/scope.ts';
import { startClusterController } from '../controllers/cluster-controller.ts';
import { rpcPlacements } from '../controllers/rpc-placements.ts';
import { rpcProxyDrains } from '../controllers/rpc-proxy-drains.ts';
import { rpcProxyZones } from '../controllers/proxy-zones.ts';
import { rpcProxyStatus } from '../controllers/rpc-proxy-status.ts';
import { loadApiServer } from '../kube/api-server.ts';
import { createEventRecorder } from '../kube/event-recorder.ts';
import { KubeClient } from '../kube/kube-client.ts';
import { createKubeTransport } from '../kube/kube-transport.ts';
import { LeaderElection } from '../kube/leader-election.ts';
import { startOperatorHttp } from './operator-http.ts';
import { createOperatorMetrics } from './operator-metrics.ts';
import { operatorUsage, parseOperatorOptions, type OperatorOptions } from './operator-options.ts';

const leaseName = 'gitaly-operator';
const stopLimitMs = 20_000;
/** Every watch is opened anew after at most ten minutes: silence for longer means that it hangs. */
const silenceLimitMs = 900_000;

/** Fields that may hold a secret by mistake; none is logged on purpose. */
const redact = [
  'token',
  '*.token',
  'password',
  '*.password',
  'data',
  '*.data',
  'authorization',
  '*.authorization',
  '*.headers',
];

const logger = pino({
  level: process.env['LOG_LEVEL'] ?? 'info',
  base: { component: 'operator' },
  redact,
});

async function main(): Promise<void> {
  const options = parseOperatorOptions(process.argv.slice(2), process.env);
  logger.level = options.logLevel;
  const scope = new Scope();
  const clock = systemClock;
  const client = new KubeClient(createKubeTransport({ server: loadApiServer(), clock }));
  const metrics = createOperatorMetrics();
  // Before the controller, so that it stops after it: whoever gives the Lease back must not act.
  const leadership = scope.own(new Leadership(client, options));
  const controller = scope.own(
    startClusterController({
      client,
      proxies: rpcProxyStatus(clock),
      placements: rpcPlacements({ clock }),
      drains: rpcProxyDrains(clock),
      zones: rpcProxyZones(clock),
      events: createEventRecorder({ client, clock, logger, instance: options.identity }),
      observer: metrics.observer,
      clock,
      random: systemRandom,
      logger,
      namespaces: options.namespaces,
      nodes: options.nodes,
      defaults: { proxyImage: options.proxyImage },
    }),
  );
  leadership.compete(() => controller.lead());
  const http = scope.own(
    await startOperatorHttp({
      listen: options.httpListen,
      notAlive: () =>
        controller.silentMs() > silenceLimitMs ? 'a watch has hung for 15 minutes' : undefined,
      notReady: () => (controller.isSynced ? undefined : 'the first lists are not complete'),
      metrics: () => metrics.render(controller, leadership.isLeader),
    }),
  );
  logger.info({ ...options, port: http.port }, 'the operator runs');
  stopOnSignals(scope);
}

/** Leads at once if there is nobody to compete with. */
class Leadership implements Stoppable {
  readonly #client: KubeClient;
  readonly #options: OperatorOptions;
  #election: LeaderElection | undefined;

  constructor(client: KubeClient, options: OperatorOptions) {
    this.#client = client;
    this.#options = options;
  }

  get isLeader(): boolean {
    return this.#options.leaseNamespace === undefined || this.#election?.isLeader === true;
  }

  compete(onElected: () => void): void {
    const { leaseNamespace, identity } = this.#options;
    if (leaseNamespace === undefined) {
      onElected();
      return;
    }
    this.#election = LeaderElection.start({
      client: this.#client,
      lease: { namespace: leaseNamespace, name: leaseName },
      identity,
      clock: systemClock,
      random: systemRandom,
      logger,
      onElected,
      onLost(reason) {
        // Another replica may act from now on: nothing may be finished first.
        logger.fatal({ reason }, 'this replica does not lead any more and exits');
        process.exit(1);
      },
    });
  }

  async stop(): Promise<void> {
    await this.#election?.stop();
  }
}

/** Stops in order at the first signal. */
function stopOnSignals(scope: Scope): void {
  const stop = (signal: string) => {
    logger.info({ signal }, 'the operator stops');
    withTimeout(systemClock, stopLimitMs, 'stopping', scope.stop()).then(
      () => process.exit(0),
      (failure: unknown) => {
        logger.error({ err: failure }, 'the operator did not stop in order');
        process.exit(1);
      },
    );
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
}

if (process.argv.includes('--help')) {
  process.stdout.write(operatorUsage);
} else {
  main().catch((failure: unknown) => {
    logger.fatal({ err: failure }, `the operator cannot start: ${errorMessage(failure)}`);
    process.exit(1);
  });
}
