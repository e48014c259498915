import { describe, expect, test } from '@jest/globals';
import { fc } from '../../test/support/properties.ts';

import type { KubeObject } from '../api/kubernetes.ts';
import { ObjectStore } from './object-store.ts';

function pod(name: string, resourceVersion: string): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'git', uid: name, resourceVersion },
  };
}

describe('the object store', () => {
  test('tells of what is new, changed and gone when it takes in a list', () => {
    const store = new ObjectStore();
    store.replace([pod('kept', '1'), pod('changed', '1'), pod('gone', '1')]);
    const changes = store.replace([pod('kept', '1'), pod('changed', '2'), pod('new', '1')]);
    expect(changes.map(({ kind, object }) => [kind, object.metadata.name])).toEqual([
      ['deleted', 'gone'],
      ['modified', 'changed'],
      ['added', 'new'],
    ]);
  });

  test('holds what the last list held, whatever came before', () => {
    const list = fc.uniqueArray(fc.record({ name: fc.constantFrom('a', 'b', 'c', 'd') }), {
      selector: ({ name }) => name,
    });
    fc.assert(
      fc.property(fc.array(list, { minLength: 1 }), (lists) => {
        const store = new ObjectStore();
        for (const each of lists) store.replace(each.map(({ name }) => pod(name, '1')));
        const names = store.list().map(({ metadata }) => metadata.name);
        expect(names.toSorted()).toEqual((lists.at(-1) ?? []).map(({ name }) => name).toSorted());
      }),
    );
  });

  test('says nothing about a version that it has', () => {
    const store = new ObjectStore();
    store.put(pod('a', '1'));
    expect(store.put(pod('a', '1'))).toBeUndefined();
    expect(store.delete(pod('b', '1'))).toBeUndefined();
  });
});
