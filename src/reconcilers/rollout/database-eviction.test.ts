import { describe, expect, test } from '@jest/globals';

import { clusterContext } from '../../../test/support/gitaly-cluster.ts';
import { podOf } from '../../../test/support/observed-cluster.ts';
import type { Pod } from '../../api/kubernetes.ts';
import { labelKeys } from '../../api/names.ts';
import { databaseEviction } from './database-eviction.ts';

const context = clusterContext();
const leavingNodes = new Map([['n-1', 'node n-1 is cordoned']]);

function podOn(nodeName: string, name: string, component: 'database' | 'storage'): Pod {
  const pod = podOf(context, name, { component });
  return { ...pod, spec: { ...pod.spec, nodeName } };
}

const database = podOn('n-1', 'gitaly-database-0', 'database');
const labels = { ...database.metadata.labels, [labelKeys.evictable]: 'true' };
const marked = { ...database, metadata: { ...database.metadata, labels } };
const storage = (node: string) => podOn(node, 'gitaly-default-0', 'storage');

describe('the managed database’s pod', () => {
  test('may be evicted from a node that is about to go and has no storage left', () => {
    const pods = [database, storage('n-2')];
    expect(databaseEviction(context, { pods, leavingNodes })).toMatchObject([
      { kind: 'allowEviction', storage: 'gitaly-database-0', reason: 'node n-1 is cordoned' },
    ]);
    expect(databaseEviction(context, { pods: [marked, storage('n-2')], leavingNodes })).toEqual([]);
  });

  test.each([
    ['a storage is there still', [database, storage('n-1')], leavingNodes],
    ['its node stays', [database, storage('n-2')], new Map<string, string>()],
    ['there is none', [storage('n-2')], leavingNodes],
  ])('may not if %s', (_what, pods, nodes) => {
    expect(databaseEviction(context, { pods, leavingNodes: nodes })).toEqual([]);
  });

  test('may not any more if its node stays after all', () => {
    const observed = { pods: [marked], leavingNodes: new Map<string, string>() };
    expect(databaseEviction(context, observed)).toMatchObject([{ kind: 'refuseEviction' }]);
  });
});
