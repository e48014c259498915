import { describe, expect, test } from '@jest/globals';

import type { Node } from '../api/kubernetes.ts';
import { leavingNodes } from './leaving-nodes.ts';

function nodeWith(name: string, spec: Node['spec']): Node {
  return { apiVersion: 'v1', kind: 'Node', metadata: { name }, ...(spec && { spec }) };
}

const tainted = (...keys: string[]) => ({ taints: keys.map((key) => ({ key })) });

describe('a node is about to go', () => {
  test.each([
    ['is cordoned', { unschedulable: true, ...tainted('node.kubernetes.io/unschedulable') }],
    [
      'has the taint ToBeDeletedByClusterAutoscaler',
      tainted('dedicated', 'ToBeDeletedByClusterAutoscaler'),
    ],
    ['has the taint karpenter.sh/disrupted', tainted('karpenter.sh/disrupted')],
    ['has the taint example.com/retired', tainted('example.com/retired')],
  ])('if it %s', (sign, spec) => {
    expect(leavingNodes([nodeWith('n-1', spec)], ['example.com/retired'])).toEqual(
      new Map([['n-1', `node n-1 ${sign}`]]),
    );
  });

  test.each([
    ['nothing is said of it', undefined],
    ['it is for certain pods only', tainted('dedicated')],
    ['it is a candidate', tainted('DeletionCandidateOfClusterAutoscaler')],
    ['it has gone already', tainted('node.kubernetes.io/out-of-service')],
    ['the taint is somebody else’s', tainted('example.com/retired')],
  ])('but not if %s', (_what, spec) => {
    expect(leavingNodes([nodeWith('n-1', spec)], [])).toEqual(new Map());
  });
});
