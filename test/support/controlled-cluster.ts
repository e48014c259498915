import { systemClock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/logger.ts';
import { seededRandom } from '../../src/base/random.ts';
import { Scope, type Stoppable } from '../../src/base/scope.ts';
import type { GitalyCluster } from '../../src/api/generated/gitaly-cluster.ts';
import type { KubeObject } from '../../src/api/kubernetes.ts';
import {
  startClusterController,
  type ClusterController,
  type ClusterControllerOptions,
} from '../../src/controllers/cluster-controller.ts';
import { openApiServer } from '../../src/kube/api-server.ts';
import { createEventRecorder } from '../../src/kube/event-recorder.ts';
import { KubeClient } from '../../src/kube/kube-client.ts';
import { createKubeTransport } from '../../src/kube/kube-transport.ts';
import { eventually } from './eventually.ts';
import { startFakeApiServer, type FakeApiServer } from './fake-kube-apiserver.ts';
import type { FakeObject } from './fake-kube-objects.ts';
import { clusterContext, gitalyCluster } from './gitaly-cluster.ts';
import { readyCluster } from './observed-cluster.ts';

/** Where the objects of the namespace `git` are, by API group. */
export const core = '/api/v1/namespaces/git';
export const apps = '/apis/apps/v1/namespaces/git';
export const clusterPath = '/apis/gitaly.dev/v1alpha1/namespaces/git/gitalyclusters/gitaly';

/** The cluster `gitaly` in the namespace `git` of an API server without Kubernetes behind it, and its controllers. */
export class ControlledCluster implements Stoppable {
  readonly server: FakeApiServer;
  readonly #scope: Scope;

  private constructor(server: FakeApiServer, scope: Scope) {
    this.server = server;
    this.#scope = scope;
  }

  /** There is no cluster yet: {@link put} it. */
  static async start(): Promise<ControlledCluster> {
    const scope = new Scope();
    return new ControlledCluster(scope.own(await startFakeApiServer()), scope);
  }

  stop(): Promise<void> {
    return this.#scope.stop();
  }

  /** Starts a controller, which only watches; `parts` take the place of proxies that say nothing. */
  watch(parts: Partial<ClusterControllerOptions> = {}, instance = 'test'): ClusterController {
    const server = openApiServer(this.server.url);
    const client = new KubeClient(createKubeTransport({ server, clock: systemClock }));
    const silence = 'nobody was asked';
    return this.#scope.own(
      startClusterController({
        client,
        proxies: { ask: async () => ({ kind: 'silent', message: silence }) },
        placements: { list: async () => ({ kind: 'unknown', message: silence }) },
        drains: { change: async () => ({ kind: 'done' }) },
        zones: { tell: async () => ({ kind: 'done' }) },
        events: createEventRecorder({ client, clock: systemClock, logger: silentLogger, instance }),
        observer: { reconciled() {} },
        clock: systemClock,
        random: seededRandom(1),
        logger: silentLogger,
        namespaces: [],
        nodes: { areWatched: true, ownTaints: [], mayCordon: false },
        defaults: { proxyImage: 'operator:1' },
        ...parts,
      }),
    );
  }

  /** Starts a controller that acts. */
  lead(parts: Partial<ClusterControllerOptions> = {}, instance = 'test'): ClusterController {
    const controller = this.watch(parts, instance);
    controller.lead();
    return controller;
  }

  /** Makes the cluster, or changes its spec. */
  put(spec: Partial<GitalyCluster['spec']> = {}): void {
    const status = this.get()?.status;
    const object = fake(gitalyCluster(spec));
    this.server.objects.put(clusterPath, { ...object, ...(status && { status }) });
  }

  get(): GitalyCluster | undefined {
    return this.server.objects.at(clusterPath) as unknown as GitalyCluster | undefined;
  }

  /** Waits for a phase that lasts. */
  phase(wanted: string): Promise<true> {
    return eventually(`the phase is ${wanted}`, () => this.get()?.status?.phase === wanted);
  }

  exists(path: string): Promise<FakeObject> {
    return eventually(`${path} exists`, () => this.server.objects.at(path));
  }

  /** Puts every pod and claim of the cluster there, and makes sets ready, as Kubernetes would. */
  makeReady(hasPod: (name: string) => boolean = () => true): void {
    const { objects } = this.server;
    const { pods, claims, statefulSets, deployments } = readyCluster(clusterContext());
    const labels = { 'gitaly.dev/cluster': 'gitaly' };
    for (const pod of pods.filter(({ metadata }) => hasPod(metadata.name))) {
      objects.put(`${core}/pods/${pod.metadata.name}`, fake(pod));
    }
    for (const claim of claims) {
      const metadata = { ...claim.metadata, labels };
      const path = `${core}/persistentvolumeclaims/${claim.metadata.name}`;
      objects.put(path, fake({ ...claim, metadata }));
    }
    for (const { kind, metadata, status } of [...statefulSets, ...deployments]) {
      const path = `${apps}/${kind.toLowerCase()}s/${metadata.name}`;
      const current = objects.at(path);
      if (current) objects.put(path, { ...current, status: { ...status } });
    }
  }

  /** The reasons of the events that there are. */
  events(): readonly unknown[] {
    return this.eventPaths().map((path) => this.server.objects.at(path)?.['reason']);
  }

  /** Waits for events of each reason: they are written after what they tell of. */
  async tellsOf(...reasons: readonly string[]): Promise<void> {
    for (const reason of reasons) {
      await eventually(`an event tells of ${reason}`, () => this.events().includes(reason));
    }
  }

  eventPaths(): readonly string[] {
    return this.server.objects.paths().filter((path) => path.includes('/events/'));
  }

  /** Every object but events. */
  paths(): readonly string[] {
    return this.server.objects.paths().filter((path) => !path.includes('/events/'));
  }
}

/** The object as the API server has it. */
export function fake(object: KubeObject): FakeObject {
  return object as unknown as FakeObject;
}
