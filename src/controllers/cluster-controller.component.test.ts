import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';

import {
  apps,
  clusterPath,
  ControlledCluster,
  core,
  fake,
} from '../../test/support/controlled-cluster.ts';
import { eventually } from '../../test/support/eventually.ts';
import type { FakeApiServer } from '../../test/support/fake-kube-apiserver.ts';
import { clusterContext } from '../../test/support/gitaly-cluster.ts';
import { answered, podOf } from '../../test/support/observed-cluster.ts';
import type { Logger } from '../base/logger.ts';
import type { KubeObject } from '../api/kubernetes.ts';
import type { ProxyReport } from '../reconcilers/proxy-report.ts';
import type { ZoneChange } from '../reconcilers/zone-changes.ts';
import type { ClusterController } from './cluster-controller.ts';
import type { ProxyEndpoint } from './proxy-status-source.ts';

let controlled: ControlledCluster;
let objects: FakeApiServer['objects'];
let report: ProxyReport;
let asked: { proxies: readonly ProxyEndpoint[]; token: string }[];
let logged: string[];
let toldZones: ZoneChange[];
/** Whether the proxies take that token. */
let accepts: (token: string) => boolean;

beforeEach(async () => {
  controlled = await ControlledCluster.start();
  ({ objects } = controlled.server);
  report = { kind: 'silent', message: 'no proxy has an address yet' };
  asked = [];
  logged = [];
  toldZones = [];
  accepts = () => true;
});
afterEach(() => controlled.stop());

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
  return controlled.lead({
    proxies: {
      async ask(proxies, token) {
        asked.push({ proxies, token });
        return accepts(token) ? report : { kind: 'silent', message: 'permission denied' };
      },
    },
    zones: {
      async tell(_proxies, _token, change) {
        toldZones.push(change);
        return { kind: 'done' };
      },
    },
    logger: recordingLogger,
  });
}

/** Calls for looks until a whole one is over: one may be under way already, and what it writes comes last. */
async function looksAgain(): Promise<void> {
  for (const name of ['x', 'y', 'z']) {
    const path = `${core}/pods/${name}`;
    const looks = asked.length;
    if (objects.at(path)) objects.remove(path);
    else objects.put(path, fake(podOf(clusterContext(), name, { component: 'proxy' })));
    await eventually('it looks', () => asked.length > looks);
  }
}

const encode = (text: string) => Buffer.from(text).toString('base64');
const requestsOf = (method: string, path: string) =>
  controlled.server.requests.filter((request) => request.method === method && request.path === path)
    .length;

describe('the controller of clusters', () => {
  test('makes everything that a new cluster needs', async () => {
    controlled.put();
    start();
    await controlled.phase('Creating');
    expect(controlled.paths()).toEqual(
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
    controlled.put();
    start();
    await controlled.phase('Creating');
    report = answered({ default: {} });
    controlled.makeReady();
    await controlled.phase('Ready');
    expect(controlled.get()?.status).toMatchObject({
      data: 'Safe',
      ready: '3/3',
      repositories: 10,
    });
    const secret = objects.at(`${core}/secrets/gitaly-client-token`);
    const { token = '' } = (secret?.['data'] ?? {}) as { token?: string };
    await eventually('both proxies are asked', () => asked.at(-1)?.proxies.length === 2);
    expect(asked.at(-1)?.token).toBe(Buffer.from(token, 'base64').toString());
    expect(asked.at(-1)?.proxies).toEqual([
      { name: 'gitaly-proxy-0', address: '127.0.0.1:8075' },
      { name: 'gitaly-proxy-1', address: '127.0.0.1:8075' },
    ]);
  });

  test('tells the proxies in which zone the node of a storage is', async () => {
    controlled.put();
    start();
    await controlled.phase('Creating');
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
    objects.put('/api/v1/nodes/node-of-gitaly-default-1', {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: {
        name: 'node-of-gitaly-default-1',
        labels: { 'topology.kubernetes.io/zone': 'europe-west1-b' },
      },
    });
    controlled.makeReady();
    await eventually('they are told', () => toldZones.length > 0);
    expect(toldZones[0]).toEqual({
      virtualStorage: 'default',
      storage: 'gitaly-default-1',
      zone: 'europe-west1-b',
    });
  });

  test('hears the proxies on while a new token is on its way to them, and tells neither', async () => {
    controlled.put();
    start();
    await controlled.phase('Creating');
    report = answered({ default: {} });
    controlled.makeReady();
    await controlled.phase('Ready');
    const path = `${core}/secrets/gitaly-client-token`;
    const secret = objects.at(path);
    const data = { token: encode('the new one'), 'previous-token': encode('the old one') };
    accepts = (token) => token === 'the old one';
    if (secret) objects.put(path, { ...secret, data });
    report = answered({ default: { degraded: 1 } });
    controlled.put({ proxy: { replicas: 2 } });
    await eventually('it has heard', () => controlled.get()?.status?.data === 'Degraded');
    const tokens = asked.map(({ token }) => token);
    // The next look may be asking already.
    const heard = tokens.lastIndexOf('the old one');
    expect(tokens.slice(heard - 1, heard + 1)).toEqual(['the new one', 'the old one']);
    const told = [...logged, JSON.stringify(controlled.get())];
    expect(told.filter((text) => /the (new|old) one/.test(text))).toEqual([]);
  });

  test('asks the API server for nothing but Secrets while nothing changes', async () => {
    controlled.put();
    start();
    await controlled.phase('Creating');
    report = answered({ default: {} });
    controlled.makeReady();
    await controlled.phase('Ready');
    const patches = () =>
      controlled.server.requests.filter(({ method }) => method === 'PATCH').map(({ path }) => path);
    await eventually('a whole look has found nothing to do', async () => {
      const { length } = patches();
      await looksAgain();
      return patches().length === length;
    });
    const before = patches();
    await looksAgain();
    expect(patches()).toEqual(before);
  });

  test('restores what somebody else changes or deletes', async () => {
    controlled.put();
    start();
    await controlled.phase('Creating');
    const path = `${core}/services/gitaly-proxy`;
    const service = objects.at(path);
    objects.put(path, { ...fake(service as unknown as KubeObject), spec: { ports: [] } });
    await eventually('the ports are back', () => {
      const spec = objects.at(path)?.['spec'] as { ports: object[] } | undefined;
      return spec?.ports.length === 2;
    });
    objects.remove(path);
    await controlled.exists(path);
  });

  test('keeps the contents of generated Secrets', async () => {
    controlled.put();
    const path = `${core}/secrets/gitaly-gitaly-token`;
    const data = { token: Buffer.from('chosen by hand').toString('base64') };
    objects.put(path, {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'gitaly-gitaly-token', labels: { 'gitaly.dev/cluster': 'gitaly' } },
      data,
    });
    start();
    await controlled.phase('Creating');
    controlled.put({ deletionPolicy: 'Delete' });
    await eventually('it has an owner', () => {
      const owners = objects.at(path)?.metadata['ownerReferences'];
      return Array.isArray(owners) && owners.length === 1;
    });
    expect(objects.at(path)?.['data']).toEqual(data);
  });

  test('does not make a token anew that a cluster in service has lost', async () => {
    controlled.put();
    start();
    await controlled.phase('Creating');
    report = answered({ default: {} });
    controlled.makeReady();
    await controlled.phase('Ready');
    objects.remove(`${core}/secrets/gitaly-gitaly-token`);
    controlled.put({ gitaly: { image: 'gitaly:2' } });
    await eventually('it says so', () => controlled.get()?.status?.reason === 'SecretInvalid');
    expect(controlled.get()?.status?.message).toMatch(/restore it with key token/);
    expect(objects.at(`${core}/secrets/gitaly-gitaly-token`)).toBeUndefined();
  });

  test('touches nothing that belongs to somebody else', async () => {
    const path = `${core}/services/gitaly-proxy`;
    const theirs = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'gitaly-proxy' } };
    const before = objects.put(path, theirs);
    controlled.put();
    start();
    await eventually('it says so', () => controlled.get()?.status?.reason === 'NameTaken');
    expect(objects.at(path)).toEqual(before);
  });

  test('says what the API server refuses, and goes on when it does not any more', async () => {
    controlled.server.setFault(({ method, path }) =>
      method === 'PATCH' && path.endsWith('/gitaly-default')
        ? { kind: 'status', code: 403, reason: 'Forbidden' }
        : undefined,
    );
    controlled.put();
    start();
    await eventually('it says so', () => controlled.get()?.status?.reason === 'ApplyFailed');
    expect(controlled.get()?.status?.message).toBe('the API server answered 403: no');
    controlled.server.setFault(() => undefined);
    controlled.put({ proxy: { replicas: 3 } });
    await controlled.exists(`${apps}/statefulsets/gitaly-default`);
  });

  test('says nothing of failures that pass', async () => {
    let left = 5;
    controlled.server.setFault(({ method }) => {
      if (method !== 'PATCH' || left === 0) return undefined;
      left -= 1;
      return { kind: 'status', code: 503 };
    });
    controlled.put();
    start();
    await controlled.phase('Creating');
    const reconciled = controlled
      .get()
      ?.status?.conditions?.find(({ type }) => type === 'Reconciled');
    expect(reconciled?.status).toBe('True');
  });

  test('changes nothing while it is paused, and goes on to observe', async () => {
    controlled.put({ paused: true });
    start();
    await controlled.phase('Paused');
    expect(controlled.paths()).toEqual([clusterPath]);
    controlled.put();
    await controlled.phase('Creating');
  });

  test('says what is wrong with a spec that an old CRD let pass', async () => {
    controlled.put({ database: {} });
    start();
    await eventually('it says so', () =>
      controlled.get()?.status?.message?.includes('exactly one of'),
    );
  });

  test('does not act before it leads', async () => {
    controlled.put();
    const controller = controlled.watch();
    await eventually('it has listed', () => controller.isSynced);
    expect(controlled.server.requests.every(({ method }) => method === 'GET')).toBe(true);
    controller.lead();
    await controlled.phase('Creating');
  });

  test('tells of changes for the worse by an event', async () => {
    controlled.put();
    start();
    await controlled.phase('Creating');
    report = answered({ default: {} });
    controlled.makeReady();
    await controlled.phase('Ready');
    report = answered({ default: { atRisk: 1 } });
    controlled.put({ proxy: { replicas: 2 } });
    await eventually('there is an event', () =>
      controlled
        .eventPaths()
        .map((path) => objects.at(path))
        .some((object) => object?.['reason'] === 'TooFewInSync' && object['type'] === 'Warning'),
    );
  });

  test('never writes a secret into its log, the status or an object that is no Secret', async () => {
    controlled.put();
    start();
    await controlled.phase('Creating');
    const secrets = objects
      .paths()
      .filter((path) => path.includes('/secrets/') && !path.endsWith('-config'))
      .flatMap((path) => {
        const { data = {} } = objects.at(path) as { data?: Record<string, string> };
        return [data['token'], data['password']];
      })
      .flatMap((value) =>
        value === undefined ? [] : [value, Buffer.from(value, 'base64').toString()],
      );
    expect(secrets).toHaveLength(6);
    const open = objects
      .paths()
      .filter((path) => !path.includes('/secrets/'))
      .map((path) => JSON.stringify(objects.at(path)));
    for (const secret of secrets) {
      expect([...logged, ...open].filter((text) => text.includes(secret))).toEqual([]);
    }
    expect(requestsOf('GET', `${core}/secrets`)).toBe(0);
  });
});
