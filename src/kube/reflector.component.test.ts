import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';

import { eventually } from '../../test/support/eventually.ts';
import {
  startFakeApiServer,
  type FakeApiServer,
  type Fault,
} from '../../test/support/fake-kube-apiserver.ts';
import { ManualClock } from '../../test/support/manual-clock.ts';
import { systemClock } from '../base/clock.ts';
import { silentLogger } from '../base/logger.ts';
import { seededRandom } from '../base/random.ts';
import { Scope } from '../base/scope.ts';
import type { Pod } from '../api/kubernetes.ts';
import { openApiServer } from './api-server.ts';
import { KubeClient } from './kube-client.ts';
import { createKubeTransport } from './kube-transport.ts';
import { Reflector, type ReflectorOptions } from './reflector.ts';
import { resourceTypes } from './resource-types.ts';

let scope: Scope;
let server: FakeApiServer;

beforeEach(async () => {
  scope = new Scope();
  server = scope.own(await startFakeApiServer());
});
afterEach(() => scope.stop());

const podPath = (name: string) => `/api/v1/namespaces/git/pods/${name}`;

function putPod(name: string, labels: Record<string, string> = {}): void {
  const object = { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: 'git', labels } };
  server.objects.put(podPath(name), object);
}

function reflect(overrides: Partial<ReflectorOptions<Pod>> = {}) {
  const transport = createKubeTransport({ server: openApiServer(server.url), clock: systemClock });
  const changes: string[] = [];
  const reflector = scope.own(
    Reflector.start({
      client: new KubeClient(transport),
      type: resourceTypes.pod,
      selection: {},
      clock: systemClock,
      random: seededRandom(1),
      logger: silentLogger,
      onChange: ({ kind, object }) => void changes.push(`${kind} ${object.metadata.name}`),
      backoff: { initialMs: 5, maxMs: 40 },
      ...overrides,
    }),
  );
  const names = () =>
    reflector.store
      .list()
      .map(({ metadata }) => metadata.name)
      .toSorted();
  const has = (...wanted: string[]) =>
    eventually(`the store holds ${wanted.join()}`, () => names().join() === wanted.join());
  return { reflector, changes, names, has };
}

const lists = () => server.requests.filter(({ watch }) => !watch).length;
const watches = () => server.requests.filter(({ watch }) => watch).length;
const watching = () => eventually('a watch is open', () => server.openWatches > 0);

/** Suffers from `fault` on each request that `matches`, so many times; resolves when it is over. */
function failTimes(times: number, matches: 'list' | 'watch', fault: Fault): Promise<true> {
  let left = times;
  server.setFault(({ watch }) => {
    if (left === 0 || watch !== (matches === 'watch')) return undefined;
    left -= 1;
    return fault;
  });
  return eventually(`${times} faults`, () => left === 0);
}

describe('the reflector', () => {
  test('lists, then follows what is added, changed and deleted', async () => {
    putPod('a');
    const { reflector, changes, has } = reflect();
    await reflector.synced;
    expect(changes).toEqual(['added a']);
    await watching();
    putPod('b');
    putPod('a', { changed: 'yes' });
    server.objects.remove(podPath('b'));
    await eventually('all is told', () => changes.length === 4);
    expect(changes).toEqual(['added a', 'added b', 'modified a', 'deleted b']);
    await has('a');
    expect(lists()).toBe(1);
  });

  test('lists page by page', async () => {
    for (let count = 0; count < 1201; count += 1) putPod(`pod-${count}`);
    const { reflector } = reflect();
    await reflector.synced;
    expect(reflector.store.size).toBe(1201);
    expect(lists()).toBe(3);
  });

  test('asks for its selection, for bookmarks and for an end after five to ten minutes', async () => {
    putPod('mine', { app: 'gitaly' });
    putPod('other');
    const { names, reflector } = reflect({
      selection: { namespace: 'git', labelSelector: 'app=gitaly' },
    });
    await reflector.synced;
    expect(names()).toEqual(['mine']);
    await watching();
    const query = server.requests.at(-1)?.query;
    expect(query?.get('allowWatchBookmarks')).toBe('true');
    expect(Number(query?.get('timeoutSeconds'))).toBeGreaterThanOrEqual(300);
    expect(Number(query?.get('timeoutSeconds'))).toBeLessThanOrEqual(600);
  });

  test('goes on from the last version when the server ends the watch, without a list', async () => {
    const { reflector, has } = reflect();
    await reflector.synced;
    await watching();
    putPod('a');
    await has('a');
    server.closeWatches();
    putPod('b');
    await has('a', 'b');
    expect(lists()).toBe(1);
    expect(reflector.failures).toBe(0);
  });

  test('goes on from a bookmark after the versions before it are gone', async () => {
    const { reflector, has } = reflect();
    await reflector.synced;
    await watching();
    server.objects.put('/api/v1/namespaces/git/services/s', {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 's', namespace: 'git' },
    });
    server.bookmark();
    server.objects.compact();
    server.closeWatches();
    await eventually('it watches again', () => watches() === 2 && server.openWatches === 1);
    putPod('a');
    await has('a');
    expect(lists()).toBe(1);
  });

  test('lists again when its version has expired, and tells of what was deleted meanwhile', async () => {
    putPod('a');
    putPod('b');
    const { changes, has, reflector } = reflect();
    await reflector.synced;
    await watching();
    server.closeWatches();
    server.objects.remove(podPath('b'));
    server.objects.compact();
    await has('a');
    expect(changes).toContain('deleted b');
    expect(lists()).toBeGreaterThan(1);
  });

  test.each<[string, Fault]>([
    ['status 500', { kind: 'status', code: 500 }],
    ['status 403', { kind: 'status', code: 403 }],
    ['status 410', { kind: 'status', code: 410, reason: 'Expired' }],
    ['status 429', { kind: 'status', code: 429 }],
    ['a broken connection', { kind: 'cut' }],
    ['an answer that is no JSON', { kind: 'body', body: '<html>proxy error</html>' }],
    ['an answer that ends without a word', { kind: 'body', body: '' }],
    ['half a line', { kind: 'body', body: '{"type":"ADDED","object":{"meta' }],
  ])('survives %s, on lists and on watches', async (_name, fault) => {
    putPod('a');
    const listFaults = failTimes(3, 'list', fault);
    const { reflector, has } = reflect();
    await listFaults;
    await reflector.synced;
    await watching();
    const watchFaults = failTimes(3, 'watch', fault);
    server.closeWatches();
    await watchFaults;
    await watching();
    putPod('b');
    await has('a', 'b');
    expect(reflector.failures).toBeGreaterThanOrEqual(6);
  });

  test('lists again after a line that makes no sense in the middle of a watch', async () => {
    const { reflector, has } = reflect();
    await reflector.synced;
    await watching();
    server.writeToWatches('not json');
    putPod('a');
    await has('a');
    expect(lists()).toBe(2);
  });

  test('is synced with nothing of a kind that need not be known, and lists it once it is', async () => {
    putPod('a');
    let isKnown = false;
    server.setFault(() => (isKnown ? undefined : { kind: 'status', code: 404 }));
    const { reflector, names, has } = reflect({ mayBeUnknown: true });
    await reflector.synced;
    expect(names()).toEqual([]);
    isKnown = true;
    await has('a');
  });

  test('waits for a kind that must be known', async () => {
    putPod('a');
    const over = failTimes(3, 'list', { kind: 'status', code: 404 });
    const { reflector, names } = reflect();
    await reflector.synced;
    expect(names()).toEqual(['a']);
    await over;
  });

  test('opens a watch anew that has fallen silent', async () => {
    const { reflector, has } = reflect({ stallMs: 50 });
    await reflector.synced;
    await failTimes(1, 'watch', { kind: 'hang' });
    await eventually('it watches again', () => server.openWatches > 0);
    putPod('a');
    await has('a');
  });

  test('keeps a watch that is quiet but has bookmarks', async () => {
    const clock = new ManualClock();
    const { reflector } = reflect({ stallMs: 200, clock });
    await reflector.synced;
    await watching();
    for (let count = 0; count < 8; count += 1) {
      await clock.advance(150);
      server.bookmark();
      await eventually('the bookmark is there', () => reflector.silentMs() === 0);
    }
    expect(watches()).toBe(1);
  });

  test('pauses longer and longer while a server closes each watch at once', async () => {
    server.setFault(({ watch }) => (watch ? { kind: 'body', body: '' } : undefined));
    const { reflector } = reflect({ backoff: { initialMs: 10, maxMs: 10_000, jitter: 0 } });
    await reflector.synced;
    const since = performance.now();
    await eventually('five failures', () => reflector.failures >= 5);
    expect(performance.now() - since).toBeGreaterThan(10 + 20 + 40 + 80);
  });

  test('logs a handler that throws and goes on', async () => {
    const errors: string[] = [];
    const logger = {
      ...silentLogger,
      error: (_: object, message: string) => void errors.push(message),
      child: () => logger,
    };
    putPod('a');
    const { reflector, has } = reflect({
      logger,
      onChange: () => {
        throw new Error('bug');
      },
    });
    await reflector.synced;
    await watching();
    putPod('b');
    await has('a', 'b');
    expect(errors).toHaveLength(2);
  });

  test.each<[string, Fault | undefined]>([
    ['a watch is open', undefined],
    ['the server hangs', { kind: 'hang' }],
    ['it pauses', { kind: 'status', code: 500 }],
  ])('stops at once while %s', async (_name, fault) => {
    if (fault) server.setFault(() => fault);
    const { reflector } = reflect({ backoff: { initialMs: 60_000, maxMs: 60_000 } });
    await eventually('it has asked', () => server.requests.length > 0);
    const since = performance.now();
    await reflector.stop();
    await reflector.stop();
    expect(performance.now() - since).toBeLessThan(30_000);
  });
});
