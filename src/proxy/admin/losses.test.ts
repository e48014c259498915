import { describe, expect, it } from '@jest/globals';
import {
  intentOf,
  nodesOf,
  recordWith,
  replica,
} from '../../../test/support/repository-records.ts';
import { lossOf } from './losses.ts';

const all = nodesOf(['a', 'b', 'c']);

describe('the loss of a repository', () => {
  it('is none while every replica is in sync and can be reached', () => {
    expect(lossOf(recordWith(), all)).toBeUndefined();
  });

  it('is partial while one replica that is in sync can be reached', () => {
    const record = recordWith({ replicas: [replica('a', 5n), replica('b', 5n), replica('c', 3n)] });
    expect(lossOf(record, nodesOf(['a', 'b', 'c'], { a: { healthy: false } }))).toEqual({
      relativePath: 'a.git',
      primary: 'a',
      unavailable: false,
      storages: [
        { name: 'a', behindBy: 0n, assigned: true, healthy: false, validPrimary: false },
        { name: 'b', behindBy: 0n, assigned: true, healthy: true, validPrimary: true },
        { name: 'c', behindBy: 2n, assigned: true, healthy: true, validPrimary: false },
      ],
    });
  });

  it('is whole when only replicas that are behind can be reached', () => {
    const record = recordWith({ replicas: [replica('a', 5n), replica('c', -1n, 'learner')] });
    const nodes = nodesOf(['a', 'b', 'c'], { a: { healthy: false } });
    expect(lossOf(record, nodes)).toMatchObject({
      unavailable: true,
      storages: [{ behindBy: 0n }, { behindBy: 6n, healthy: true, validPrimary: false }],
    });
  });

  it('does not count a replica that is to go', () => {
    const record = recordWith({ replicas: [replica('a', 5n), replica('b', 3n, 'leaving')] });
    expect(lossOf(record, all)).toBeUndefined();
  });

  it('does not concern a repository that does not exist yet', () => {
    const intents = [intentOf('t', { kind: 'creation' })];
    const record = recordWith({ intents, replicas: [replica('a', 5n), replica('b', -1n)] });
    expect(lossOf(record, all)).toBeUndefined();
  });
});
