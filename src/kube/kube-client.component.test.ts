import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';

import { startFakeApiServer, type FakeApiServer } from '../../test/support/fake-kube-apiserver.ts';
import { ManualClock } from '../../test/support/manual-clock.ts';
import { eventually } from '../../test/support/eventually.ts';
import { systemClock } from '../base/clock.ts';
import { Scope } from '../base/scope.ts';
import type { Secret } from '../api/kubernetes.ts';
import { openApiServer } from './api-server.ts';
import { KubeClient } from './kube-client.ts';
import { createKubeTransport } from './kube-transport.ts';
import { resourceTypes } from './resource-types.ts';

let scope: Scope;
let server: FakeApiServer;
let client: KubeClient;

beforeEach(async () => {
  scope = new Scope();
  server = scope.own(await startFakeApiServer());
  const transport = createKubeTransport({ server: openApiServer(server.url), clock: systemClock });
  client = new KubeClient(transport);
});
afterEach(() => scope.stop());

const secret: Secret = {
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name: 's', namespace: 'git' },
  data: { token: 'abc' },
};

describe('the client', () => {
  test('says undefined of what is not there', async () => {
    expect(await client.get(resourceTypes.secret, { namespace: 'git', name: 's' })).toBeUndefined();
  });

  test('makes an object once and leaves the one that is there', async () => {
    expect(await client.create(secret)).toMatchObject({ data: { token: 'abc' } });
    expect(await client.create({ ...secret, data: { token: 'other' } })).toBeUndefined();
    const found = await client.get(resourceTypes.secret, { namespace: 'git', name: 's' });
    expect(found?.data).toEqual({ token: 'abc' });
  });

  test('applies with our field manager and by force', async () => {
    await client.apply(secret);
    const request = server.requests.at(-1);
    expect(request).toMatchObject({ method: 'PATCH', path: '/api/v1/namespaces/git/secrets/s' });
    expect(Object.fromEntries(request?.query ?? [])).toEqual({
      fieldManager: 'gitaly-operator',
      force: 'true',
    });
  });

  test('deletes an object by its UID, and leaves another one of that name', async () => {
    const name = { namespace: 'git', name: 's' };
    const uid = (await client.create(secret))?.metadata.uid ?? '';
    expect(await client.delete(resourceTypes.secret, name, 'another')).toBe(false);
    expect(await client.delete(resourceTypes.secret, name, uid)).toBe(true);
    expect(await client.delete(resourceTypes.secret, name, uid)).toBe(false);
    expect(await client.get(resourceTypes.secret, name)).toBeUndefined();
  });

  test('refuses an object without a namespace before it asks anyone', async () => {
    const lost: Secret = { ...secret, metadata: { name: 's' } };
    await expect(client.apply(lost)).rejects.toThrow('Secret s has no namespace');
    expect(server.requests).toHaveLength(0);
  });

  test("passes the server's refusal on, with its code and reason", async () => {
    server.setFault(() => ({ kind: 'status', code: 403, reason: 'Forbidden' }));
    await expect(client.apply(secret)).rejects.toMatchObject({ code: 403, reason: 'Forbidden' });
  });

  test('gives up on an answer after 30 seconds', async () => {
    const clock = new ManualClock();
    const slow = new KubeClient(createKubeTransport({ server: openApiServer(server.url), clock }));
    server.setFault(() => ({ kind: 'hang' }));
    const answer = slow.apply(secret);
    answer.catch(() => {});
    await eventually('it has asked', () => server.requests.length > 0);
    await clock.advance(30_000);
    await expect(answer).rejects.toThrow('took longer than 30000 ms');
  });
});
