import { describe, expect, it } from '@jest/globals';
import { fc } from '../../../test/support/properties.ts';
import {
  anyRecord,
  changed,
  recordWith,
  replica,
  someStorages,
} from '../../../test/support/repository-records.ts';
import { inSyncVoters, moveOf, type Replica } from '../routing/repository-record.ts';
import { recordFromRow } from '../store/records.ts';
import { isSettled } from '../store/placement.ts';
import { changeReplicaCount } from './replica-count.ts';
import { beginMove, endMove } from './replica-move.ts';

const begun = changed(beginMove(recordWith(), { from: 'c', to: 'd' }));
const copied = {
  ...begun,
  replicas: begun.replicas.map((each): Replica =>
    each.storage === 'd' ? { ...each, lsn: 5n, role: 'voter' } : each,
  ),
};

describe('a move that begins', () => {
  it('adds a replica that holds nothing, and is found by who repairs', () => {
    expect(begun.replicas.at(-1)).toEqual({ ...replica('d', -1n, 'learner'), replaces: 'c' });
    expect(isSettled(begun)).toBe(false);
  });

  it('is one at a time, from where a replica is, to where none is', () => {
    const refused = (reason: string) => ({ kind: 'refuse', reason });
    expect(beginMove(begun, { from: 'a', to: 'e' })).toEqual(refused('moving'));
    expect(beginMove(recordWith(), { from: 'd', to: 'e' })).toEqual(refused('gone'));
    expect(beginMove(recordWith(), { from: 'a', to: 'b' })).toEqual(refused('already'));
  });
});

describe('a move that ends', () => {
  it('sends away what was replaced, when the new replica is in sync', () => {
    expect(endMove(begun, 'd', 3)).toEqual({ kind: 'refuse', reason: 'notInSync' });
    expect(isSettled(copied)).toBe(false);
    const ended = changed(endMove(copied, 'd', 3));
    expect(ended.replicas).toEqual([
      replica('a', 5n),
      replica('b', 5n),
      replica('c', 5n, 'leaving'),
      replica('d', 5n),
    ]);
    expect(endMove(ended, 'd', 3)).toEqual({ kind: 'refuse', reason: 'notMoving' });
  });

  it('waits while another replica is behind, and while the primary is there', () => {
    const behind = copied.replicas.map((each) =>
      each.storage === 'b' ? { ...each, lsn: 4n } : each,
    );
    const tooFew = { kind: 'refuse', reason: 'tooFewInSync' };
    expect(endMove({ ...copied, replicas: behind }, 'd', 3)).toEqual(tooFew);
    expect(endMove({ ...copied, replicas: behind }, 'd', 1)).toEqual(tooFew);
    const isPrimary = { kind: 'refuse', reason: 'isPrimary' };
    expect(endMove({ ...copied, primary: 'c' }, 'd', 3)).toEqual(isPrimary);
  });

  it('leaves an ordinary replica if there is nothing to be replaced any more', () => {
    const replicas = begun.replicas.filter(({ storage }) => storage !== 'c');
    const ended = changed(endMove({ ...begun, replicas }, 'd', 3));
    expect(moveOf(ended)).toBeUndefined();
    expect(ended.replicas.map(({ storage }) => storage)).toEqual(['a', 'b', 'd']);
  });

  it('never leaves fewer replicas in sync than there have to be', () => {
    fc.assert(
      fc.property(
        anyRecord,
        fc.constantFrom(...someStorages),
        fc.constantFrom(...someStorages),
        fc.integer({ min: 1, max: 4 }),
        (record, to, from, replicationFactor) => {
          const replicas = record.replicas.map((each) =>
            each.storage === to && from !== to ? { ...each, replaces: from } : each,
          );
          const ended = endMove({ ...record, replicas }, to, replicationFactor);
          if (ended.kind === 'refuse') return;
          const going = ended.next.replicas.filter(
            ({ storage, role }) =>
              role === 'leaving' &&
              record.replicas.some((each) => each.storage === storage && each.role !== role),
          );
          if (going.length === 0) return;
          expect(going.map(({ storage }) => storage)).toEqual([from]);
          const inSync = inSyncVoters(ended.next);
          expect(inSync.length).toBeGreaterThanOrEqual(replicationFactor);
          expect(inSync).toEqual(expect.arrayContaining([to, record.primary]));
        },
      ),
    );
  });
});

describe('a number of replicas that a person sets', () => {
  const options = { candidates: [...someStorages], minInSyncReplicas: 2 };

  it('calls a move off', () => {
    const fewer = changed(changeReplicaCount(begun, 3, options));
    expect(fewer.replicas.at(-1)).toEqual(replica('d', -1n, 'leaving'));
    expect(moveOf(fewer)).toBeUndefined();
  });

  it('counts what a move has added', () => {
    const four = changed(changeReplicaCount(begun, 4, options));
    expect(four.replicas.at(-1)).toEqual(replica('d', -1n, 'learner'));
    expect(isSettled({ ...four, replicas: four.replicas.slice(0, 3) })).toBe(true);
  });
});

it('a move is read back from the store', () => {
  const { id, version, epoch, lsn, virtualStorage, relativePath, replicaPath, primary } = begun;
  const row = {
    id: String(id),
    version: String(version),
    epoch: String(epoch),
    lsn: String(lsn),
    virtual_storage: virtualStorage,
    relative_path: relativePath,
    replica_path: replicaPath,
    primary_storage: primary,
    replicas: begun.replicas.map((each) => ({ ...each, lsn: String(each.lsn) })),
    intents: [],
    barrier: null,
  };
  expect(recordFromRow(row)).toEqual(begun);
});
