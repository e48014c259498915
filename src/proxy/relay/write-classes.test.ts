import { describe, expect, it } from '@jest/globals';
import { lookupMethod } from '../routing/method-table.ts';
import { writeClassOf } from './write-classes.ts';

const classOf = (name: string) => writeClassOf(lookupMethod(`/gitaly.${name}`));

describe('the class of a write', () => {
  it('has its intent taken before anything is sent, if nothing is known of the method', () => {
    expect(classOf('NewService/NewMethod')).toEqual({
      intent: 'beforeDispatch',
      changesNeedVotes: false,
    });
  });

  it('waits for slow storages where they tidy up, and not where a person waits', () => {
    expect(classOf('ObjectPoolService/FetchIntoObjectPool').patienceMs).toBeGreaterThan(600_000);
    for (const name of ['SSHService/SSHReceivePack', 'OperationService/UserCommitFiles']) {
      expect(classOf(name).patienceMs).toBeUndefined();
    }
  });
});
