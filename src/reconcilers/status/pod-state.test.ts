import { describe, expect, test } from '@jest/globals';

import type { Pod } from '../../api/kubernetes.ts';
import { isPodReady, podProblem } from './pod-state.ts';

function pod(status: Pod['status'], deletionTimestamp?: string): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', ...(deletionTimestamp !== undefined && { deletionTimestamp }) },
    spec: { containers: [] },
    ...(status && { status }),
  };
}

const ready = [{ type: 'Ready', status: 'True' }];

describe('what keeps a pod from being ready', () => {
  test.each<[string, Pod | undefined, string | undefined]>([
    ['nothing', pod({ conditions: ready }), undefined],
    ['its absence', undefined, 'the pod does not exist yet'],
    ['its deletion', pod({ conditions: ready }, 'now'), 'the pod is being deleted'],
    ['its start', pod(undefined), 'the pod is not ready yet'],
    [
      'the lack of a node',
      pod({ conditions: [{ type: 'PodScheduled', status: 'False', message: 'no disk' }] }),
      'the pod is on no node: no disk',
    ],
    [
      'a waiting container',
      pod({ containerStatuses: [{ name: 'c', state: { waiting: { reason: 'ErrImagePull' } } }] }),
      'container c waits: ErrImagePull',
    ],
    [
      'an ended container',
      pod({ containerStatuses: [{ name: 'c', state: { terminated: { exitCode: 3 } } }] }),
      'container c ended with exit code 3',
    ],
  ])('is %s', (_what, subject, problem) => {
    expect(podProblem(subject)).toBe(problem);
    expect(isPodReady(subject)).toBe(problem === undefined);
  });
});
