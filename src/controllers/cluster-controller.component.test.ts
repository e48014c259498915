import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';

import { eventually } from '../../test/support/eventually.ts';
import { startFakeApiServer, type FakeApiServer } from '../../test/support/fake-kube-apiserver.ts';
import type { FakeObject } from '../../test/support/fake-kube-objects.ts';
import { clusterContext, gitalyCluster } from '../../test/support/gitaly-cluster.ts';
import { answered, podOf, readyCluster } from '../../test/support/observed-cluster.ts';
import { systemClock } from '../base/clock.ts';
import { silentLogger, type Logger } from '../base/logger.ts';
import { seededRandom } from '../base/random.ts';
import { Scope } from '../base/scope.ts';
import type { GitalyCluster } from '../api/generated/gitaly-cluster.ts';
import type { KubeObject } from '../api/kubernetes.ts';
import { openApiServer } from '../kube/api-server.ts';
import { createEventRecorder } from '../kube/event-recorder.ts';
import { KubeClient } from '../kube/kube-client.ts';
import { createKubeTransport } from '../kube/kube-transport.ts';
import type { ProxyReport } from '../reconcilers/proxy-report.ts';
import type { ZoneChange } from '../reconcilers/zone-changes.ts';
import { startClusterController, type ClusterController } from './cluster-controller.ts';
import type { ProxyEndpoint } from './proxy-status-source.ts';

const clusterPath = '/apis/gitaly.dev/v1alpha1/namespaces/git/gitalyclusters/gitaly';
const core = '/api/v1/namespaces/git';
const apps = '/apis/apps/v1/namespaces/git';

let scope: Scope;
let server: FakeApiServer;
let report: ProxyReport;
let asked: { proxies: readonly ProxyEndpoint[]; token: string }[];
let logged: string[];
let toldZones: ZoneChange[];
/** Whether the proxies take that token. */
let accepts: (token: string) => boolean;

beforeEach(async () => {
  scope = new Scope();
  server = scope.own(await startFakeApiServer());
  report = { kind: 'silent', message: 'no proxy has an address yet' };
  asked = [];
  logged = [];
  toldZones = [];
  accepts = () => true;
});
afterEach(() => scope.stop());

/** Keeps every line, as text. */
const recordingLogger: Logger = {
  debug: keep,
  info: keep,
  warn: keep,
  error: keep,
  child: () => recordingLogger,
};
function keep(fields: object, message: string): void {
  logged.push(`${message} ${JSON.stringify(fields)}`);
}

function start(): ClusterController {
  const transport = createKubeTransport({ server: openApiServer(server.url), clock: systemClock });
  const client = new KubeClient(transport);
  const controller = scope.own(
    startClusterController({
      client,
      proxies: {
        async ask(proxies, token) {
          asked.push({ proxies, token });
          return accepts(token) ? report : { kind: 'silent', message: 'permission denied' };
        },
      },
      placements: { list: async () => ({ kind: 'unknown', message: 'nobody was asked' }) },
      drains: { change: async () => ({ kind: 'done' }) },
      zones: {
        async tell(_proxies, _token, change) {
          toldZones.push(change);
          return { kind: 'done' };
        },
      },
      events: createEventRecorder({
        client,
        clock: systemClock,
        logger: silentLogger,
        instance: 'test',
      }),
      observer: { reconciled() {} },
      clock: systemClock,
      random: seededRandom(1),
      logger: recordingLogger,
      namespaces: [],
      nodes: { areWatched: true, ownTaints: [] },
      defaults: { proxyImage: 'operator:1' },
    }),
  );
  controller.lead();
  return controller;
}

function putCluster(spec: Partial<GitalyCluster['spec']> = {}): void {
  const before = server.objects.at(clusterPath);
  server.objects.put(clusterPath, {
    ...fake(gitalyCluster(spec)),
    ...(before?.['status'] !== undefined && { status: before['status'] }),
  });
}

const encode = (text: string) => Buffer.from(text).toString('base64');
const fake = (object: KubeObject): FakeObject => object as unknown as FakeObject;
const cluster = () => server.objects.at(clusterPath) as unknown as GitalyCluster | undefined;
const phase = (wanted: string) =>
  eventually(`the phase is ${wanted}`, () => cluster()?.status?.phase === wanted);
const exists = (path: string) => eventually(`${path} exists`, () => server.objects.at(path));
const requestsOf = (method: string, path: string) =>
  server.requests.filter((request) => request.method === method && request.path === path).length;

/** Makes every pod, set and claim of the cluster ready, as Kubernetes would. */
function makeReady(): void {
  const { pods, claims, statefulSets, deployments } = readyCluster(clusterContext());
  const labels = { 'gitaly.dev/cluster': 'gitaly' };
  for (const pod of pods) server.objects.put(`${core}/pods/${pod.metadata.name}`, fake(pod));
  for (const claim of claims) {
    const metadata = { ...claim.metadata, labels };
    const path = `${core}/persistentvolumeclaims/${claim.metadata.name}`;
    server.objects.put(path, fake({ ...claim, metadata }));
  }
  for (const { kind, metadata, status } of [...statefulSets, ...deployments]) {
    const path = `${apps}/${kind.toLowerCase()}s/${metadata.name}`;
    const current = server.objects.at(path);
    if (current) server.objects.put(path, { ...current, status: { ...status } });
  }
}

describe('the controller of clusters', () => {
  test('makes everything that a new cluster needs', async () => {
    putCluster();
    start();
    await phase('Creating');
    expect(server.objects.paths().filter((path) => !path.includes('/events/'))).toEqual(
      [
        `${core}/configmaps/gitaly-proxy-config`,
        `${core}/secrets/gitaly-client-token`,
        `${core}/secrets/gitaly-database`,
        `${core}/secrets/gitaly-default-config`,
        `${core}/secrets/gitaly-gitaly-token`,
        `${core}/services/gitaly-database`,
        `${core}/services/gitaly-default`,
        `${core}/services/gitaly-proxy`,
        `${core}/services/gitaly-proxy-headless`,
        `${apps}/deployments/gitaly-proxy`,
        `${apps}/statefulsets/gitaly-database`,
        `${apps}/statefulsets/gitaly-default`,
        clusterPath,
        '/apis/policy/v1/namespaces/git/poddisruptionbudgets/gitaly-database',
        '/apis/policy/v1/namespaces/git/poddisruptionbudgets/gitaly-default',
        '/apis/policy/v1/namespaces/git/poddisruptionbudgets/gitaly-proxy',
      ].toSorted(),
    );
  });

  test('becomes ready with what it watches, and asks the proxies with the token of the clients', async () => {
    putCluster();
    start();
    await phase('Creating');
    report = answered({ default: {} });
    makeReady();
    await phase('Ready');
    expect(cluster()?.status).toMatchObject({ data: 'Safe', ready: '3/3', repositories: 10 });
    const secret = server.objects.at(`${core}/secrets/gitaly-client-token`);
    const { token = '' } = (secret?.['data'] ?? {}) as { token?: string };
    await eventually('both proxies are asked', () => asked.at(-1)?.proxies.length === 2);
    expect(asked.at(-1)?.token).toBe(Buffer.from(token, 'base64').toString());
    expect(asked.at(-1)?.proxies).toEqual([
      { name: 'gitaly-proxy-0', address: '127.0.0.1:8075' },
      { name: 'gitaly-proxy-1', address: '127.0.0.1:8075' },
    ]);
  });

  test('tells the proxies in which zone the node of a storage is', async () => {
    putCluster();
    start();
    await phase('Creating');
    const storage = {
      name: 'gitaly-default-1',
      healthy: true,
      healthReason: '',
      replicas: 10,
      inSync: 10,
      primaries: 3,
    };
    const answer = answered({ default: {} });
    if (answer.kind === 'silent') throw new Error('they answer');
    const virtualStorages = answer.virtualStorages.map((one) =>
      Object.assign({}, one, { storages: [storage] }),
    );
    report = { ...answer, virtualStorages };
    server.objects.put('/api/v1/nodes/node-of-gitaly-default-1', {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: {
        name: 'node-of-gitaly-default-1',
        labels: { 'topology.kubernetes.io/zone': 'europe-west1-b' },
      },
    });
    makeReady();
    await eventually('they are told', () => toldZones.length > 0);
    expect(toldZones[0]).toEqual({
      virtualStorage: 'default',
      storage: 'gitaly-default-1',
      zone: 'europe-west1-b',
    });
  });

  test('hears the proxies on while a new token is on its way to them, and tells neither', async () => {
    putCluster();
    start();
    await phase('Creating');
    report = answered({ default: {} });
    makeReady();
    await phase('Ready');
    const path = `${core}/secrets/gitaly-client-token`;
    const secret = server.objects.at(path);
    const data = { token: encode('the new one'), 'previous-token': encode('the old one') };
    accepts = (token) => token === 'the old one';
    if (secret) server.objects.put(path, { ...secret, data });
    report = answered({ default: { degraded: 1 } });
    putCluster({ proxy: { replicas: 2 } });
    await eventually('it has heard', () => cluster()?.status?.data === 'Degraded');
    expect(asked.slice(-2).map(({ token }) => token)).toEqual(['the new one', 'the old one']);
    const told = [...logged, JSON.stringify(cluster())];
    expect(told.filter((text) => /the (new|old) one/.test(text))).toEqual([]);
  });

  test('asks the API server for nothing but Secrets while nothing changes', async () => {
    putCluster();
    start();
    await phase('Creating');
    report = answered({ default: {} });
    makeReady();
    await phase('Ready');
    const patches = () =>
      server.requests.filter(({ method }) => method === 'PATCH').map(({ path }) => path);
    const before = patches();
    const runs = asked.length;
    server.objects.put(
      `${core}/pods/x`,
      fake(podOf(clusterContext(), 'x', { component: 'proxy' })),
    );
    await eventually('it looked again', () => asked.length > runs);
    expect(patches()).toEqual(before);
  });

  test('restores what somebody else changes or deletes', async () => {
    putCluster();
    start();
    await phase('Creating');
    const path = `${core}/services/gitaly-proxy`;
    const service = server.objects.at(path);
    server.objects.put(path, { ...fake(service as unknown as KubeObject), spec: { ports: [] } });
    await eventually('the ports are back', () => {
      const spec = server.objects.at(path)?.['spec'] as { ports: object[] } | undefined;
      return spec?.ports.length === 2;
    });
    server.objects.remove(path);
    await exists(path);
  });

  test('keeps the contents of generated Secrets', async () => {
    putCluster();
    const path = `${core}/secrets/gitaly-gitaly-token`;
    const data = { token: Buffer.from('chosen by hand').toString('base64') };
    server.objects.put(path, {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'gitaly-gitaly-token', labels: { 'gitaly.dev/cluster': 'gitaly' } },
      data,
    });
    start();
    await phase('Creating');
    putCluster({ deletionPolicy: 'Delete' });
    await eventually('it has an owner', () => {
      const owners = server.objects.at(path)?.metadata['ownerReferences'];
      return Array.isArray(owners) && owners.length === 1;
    });
    expect(server.objects.at(path)?.['data']).toEqual(data);
  });

  test('does not make a token anew that a cluster in service has lost', async () => {
    putCluster();
    start();
    await phase('Creating');
    report = answered({ default: {} });
    makeReady();
    await phase('Ready');
    server.objects.remove(`${core}/secrets/gitaly-gitaly-token`);
    putCluster({ gitaly: { image: 'gitaly:2' } });
    await eventually('it says so', () => cluster()?.status?.reason === 'SecretInvalid');
    expect(cluster()?.status?.message).toMatch(/restore it with key token/);
    expect(server.objects.at(`${core}/secrets/gitaly-gitaly-token`)).toBeUndefined();
  });

  test('touches nothing that belongs to somebody else', async () => {
    const path = `${core}/services/gitaly-proxy`;
    const theirs = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'gitaly-proxy' } };
    const before = server.objects.put(path, theirs);
    putCluster();
    start();
    await eventually('it says so', () => cluster()?.status?.reason === 'NameTaken');
    expect(server.objects.at(path)).toEqual(before);
  });

  test('says what the API server refuses, and goes on when it does not any more', async () => {
    server.setFault(({ method, path }) =>
      method === 'PATCH' && path.endsWith('/gitaly-default')
        ? { kind: 'status', code: 403, reason: 'Forbidden' }
        : undefined,
    );
    putCluster();
    start();
    await eventually('it says so', () => cluster()?.status?.reason === 'ApplyFailed');
    expect(cluster()?.status?.message).toBe('the API server answered 403: no');
    server.setFault(() => undefined);
    putCluster({ proxy: { replicas: 3 } });
    await exists(`${apps}/statefulsets/gitaly-default`);
  });

  test('says nothing of failures that pass', async () => {
    let left = 5;
    server.setFault(({ method }) => {
      if (method !== 'PATCH' || left === 0) return undefined;
      left -= 1;
      return { kind: 'status', code: 503 };
    });
    putCluster();
    start();
    await phase('Creating');
    const reconciled = cluster()?.status?.conditions?.find(({ type }) => type === 'Reconciled');
    expect(reconciled?.status).toBe('True');
  });

  test('changes nothing while it is paused, and goes on to observe', async () => {
    putCluster({ paused: true });
    start();
    await phase('Paused');
    expect(server.objects.paths().filter((path) => !path.includes('/events/'))).toEqual([
      clusterPath,
    ]);
    putCluster();
    await phase('Creating');
  });

  test('says what is wrong with a spec that an old CRD let pass', async () => {
    putCluster({ database: {} });
    start();
    await eventually('it says so', () => cluster()?.status?.message?.includes('exactly one of'));
  });

  test('does not act before it leads', async () => {
    putCluster();
    const transport = createKubeTransport({
      server: openApiServer(server.url),
      clock: systemClock,
    });
    const controller = scope.own(
      startClusterController({
        client: new KubeClient(transport),
        proxies: { ask: async () => report },
        placements: { list: async () => ({ kind: 'unknown', message: 'nobody was asked' }) },
        drains: { change: async () => ({ kind: 'done' }) },
        zones: { tell: async () => ({ kind: 'done' }) },
        events: { record: async () => {} },
        observer: { reconciled() {} },
        clock: systemClock,
        random: seededRandom(1),
        logger: silentLogger,
        namespaces: [],
        nodes: { areWatched: true, ownTaints: [] },
        defaults: { proxyImage: 'operator:1' },
      }),
    );
    await eventually('it has listed', () => controller.isSynced);
    expect(server.requests.every(({ method }) => method === 'GET')).toBe(true);
    controller.lead();
    await phase('Creating');
  });

  test('tells of changes for the worse by an event', async () => {
    putCluster();
    start();
    report = answered({ default: {} });
    await phase('Creating');
    makeReady();
    await phase('Ready');
    report = answered({ default: { atRisk: 1 } });
    putCluster({ proxy: { replicas: 2 } });
    await eventually('there is an event', () =>
      server.objects
        .paths()
        .map((path) => server.objects.at(path))
        .some((object) => object?.['reason'] === 'TooFewInSync' && object['type'] === 'Warning'),
    );
  });

  test('never writes a secret into its log, the status or an object that is no Secret', async () => {
    putCluster();
    start();
    await phase('Creating');
    const secrets = server.objects
      .paths()
      .filter((path) => path.includes('/secrets/') && !path.endsWith('-config'))
      .flatMap((path) => {
        const { data = {} } = server.objects.at(path) as { data?: Record<string, string> };
        return [data['token'], data['password']];
      })
      .flatMap((value) =>
        value === undefined ? [] : [value, Buffer.from(value, 'base64').toString()],
      );
    expect(secrets).toHaveLength(6);
    const open = server.objects
      .paths()
      .filter((path) => !path.includes('/secrets/'))
      .map((path) => JSON.stringify(server.objects.at(path)));
    for (const secret of secrets) {
      expect([...logged, ...open].filter((text) => text.includes(secret))).toEqual([]);
    }
    expect(requestsOf('GET', `${core}/secrets`)).toBe(0);
  });
});
