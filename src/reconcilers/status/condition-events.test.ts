import { describe, expect, test } from '@jest/globals';

import type { GitalyClusterStatus } from '../../api/generated/gitaly-cluster.ts';
import { conditionEvents } from './condition-events.ts';

const statusWith = (
  type: string,
  status: 'True' | 'False' | 'Unknown',
  reason: string,
): GitalyClusterStatus => ({
  conditions: [{ type, status, reason, message: 'm', lastTransitionTime: '' }],
});

const safe = statusWith('DataSafe', 'True', 'FullyReplicated');
const behind = statusWith('DataSafe', 'False', 'ReplicasBehind');
const worse = statusWith('DataSafe', 'False', 'TooFewInSync');
const unknown = statusWith('DataSafe', 'Unknown', 'NoProxyAnswers');

describe('the events of a change of status', () => {
  test('warn when a condition became false, and again when it is false for another reason', () => {
    expect(conditionEvents(safe, behind)).toEqual([
      { type: 'Warning', reason: 'ReplicasBehind', note: 'DataSafe: m' },
    ]);
    expect(conditionEvents(behind, worse)).toMatchObject([{ reason: 'TooFewInSync' }]);
  });

  test('tell the good news as well', () => {
    expect(conditionEvents(behind, safe)).toMatchObject([{ type: 'Normal' }]);
    expect(conditionEvents(undefined, safe)).toMatchObject([{ type: 'Normal' }]);
  });

  test('tell of a storage that an update takes down without alarm, and of an update that halts with one', () => {
    const updating = statusWith('DataSafe', 'False', 'StorageUpdating');
    expect(conditionEvents(safe, updating)).toMatchObject([{ type: 'Normal' }]);
    const halted = statusWith('Progressing', 'False', 'UpdateHalted');
    expect(conditionEvents(undefined, halted)).toEqual([
      { type: 'Warning', reason: 'UpdateHalted', note: 'Progressing: m' },
    ]);
    expect(conditionEvents(halted, halted)).toEqual([]);
  });

  test('are none while nothing changes or nothing is known', () => {
    expect(conditionEvents(behind, behind)).toEqual([]);
    expect(conditionEvents(safe, unknown)).toEqual([]);
  });

  test('are none for conditions that come and go in daily work', () => {
    const starting = statusWith('Progressing', 'True', 'PodsStarting');
    expect(conditionEvents(undefined, starting)).toEqual([]);
  });
});
