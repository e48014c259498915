import { describe, expect, test } from '@jest/globals';

import { ManualClock } from '../../test/support/manual-clock.ts';
import { silentLogger } from '../base/logger.ts';
import type { KubeObject } from '../api/kubernetes.ts';
import { createEventRecorder, type EventText } from './event-recorder.ts';
import type { ObjectName, ResourceType } from './resource-types.ts';

const regarding = {
  apiVersion: 'gitaly.dev/v1alpha1',
  kind: 'GitalyCluster',
  namespace: 'git',
  name: 'gitaly',
  uid: 'u1',
};

const text = (note: string): EventText => ({
  type: 'Warning',
  reason: 'ReplicasBehind',
  action: 'Observe',
  note,
});

function newRecorder() {
  const clock = new ManualClock();
  const created: KubeObject[] = [];
  const merged: [string, object][] = [];
  const client = {
    create: async <T extends KubeObject>(object: T) => {
      created.push(object);
      return object;
    },
    merge: async <T extends KubeObject>(
      _: ResourceType<T>,
      { name }: ObjectName,
      patch: object,
    ) => {
      merged.push([name, patch]);
      return {} as T;
    },
  };
  const recorder = createEventRecorder({ client, clock, logger: silentLogger, instance: 'op-1' });
  return { clock, created, merged, recorder };
}

describe('the event recorder', () => {
  test('writes an event about the object', async () => {
    const { recorder, created } = newRecorder();
    await recorder.record(regarding, text('x'.repeat(2000)));
    expect(created).toEqual([
      expect.objectContaining({
        apiVersion: 'events.k8s.io/v1',
        metadata: { name: expect.stringMatching(/^gitaly\.[0-9a-f]{16}$/), namespace: 'git' },
        eventTime: '2023-11-14T22:13:20.000000Z',
        regarding,
        reason: 'ReplicasBehind',
        note: 'x'.repeat(1024),
      }),
    ]);
  });

  test('counts an equal event instead of writing it again', async () => {
    const { recorder, created, merged } = newRecorder();
    await recorder.record(regarding, text('one'));
    await recorder.record(regarding, text('one'));
    await recorder.record(regarding, text('one'));
    await recorder.record(regarding, text('two'));
    expect(created).toHaveLength(2);
    expect(merged.map(([, patch]) => patch)).toEqual([
      { series: expect.objectContaining({ count: 2 }) },
      { series: expect.objectContaining({ count: 3 }) },
    ]);
    expect(merged[0]?.[0]).toBe(created[0]?.metadata.name);
  });

  test('writes it anew after ten minutes', async () => {
    const { recorder, created, clock } = newRecorder();
    await recorder.record(regarding, text('one'));
    await clock.advance(600_001);
    await recorder.record(regarding, text('one'));
    expect(created).toHaveLength(2);
  });

  test('hears no more of an object that causes too many, and all of the others', async () => {
    const { recorder, created, clock } = newRecorder();
    for (let count = 0; count < 100; count += 1) await recorder.record(regarding, text(`${count}`));
    expect(created).toHaveLength(25);
    await recorder.record({ ...regarding, uid: 'u2' }, text('other'));
    expect(created).toHaveLength(26);
    await clock.advance(300_000);
    await recorder.record(regarding, text('later'));
    await recorder.record(regarding, text('too soon'));
    expect(created).toHaveLength(27);
  });

  test('survives an API server that refuses', async () => {
    const { clock } = newRecorder();
    const refuse = () => Promise.reject(new Error('forbidden'));
    const client = { create: refuse, merge: refuse };
    const recorder = createEventRecorder({ client, clock, logger: silentLogger, instance: 'i' });
    await expect(recorder.record(regarding, text('x'))).resolves.toBeUndefined();
  });
});
