import { describe, expect, test } from '@jest/globals';
import { fc } from '../../../test/support/properties.ts';
import {
  anyRecord,
  recordWith,
  replica,
  someStorages,
} from '../../../test/support/repository-records.ts';
import { inSyncVoters } from '../routing/repository-record.ts';
import type { StorageIdentity } from '../store/storage-identity.ts';
import { claimRepair, promote, releaseRepair } from './record-changes.ts';
import { compareVolumes, giveUpReplica, replaced } from './lost-volume.ts';

const key = { virtualStorage: 'default', storage: 'b' };
const recorded: StorageIdentity = { ...key, filesystemId: 'old', version: 3n };
const all = () => true;

describe('the volume that a storage shows', () => {
  test('is recorded if none is', () => {
    const next = { ...key, filesystemId: 'first', version: 0n };
    expect(compareVolumes(key, undefined, 'first')).toEqual({ kind: 'put', next });
  });

  test('lets the storage serve if it is the recorded one, or if it never showed any', () => {
    expect(compareVolumes(key, recorded, 'old')).toEqual({ kind: 'serve' });
    expect(compareVolumes(key, undefined, '')).toEqual({ kind: 'serve' });
  });

  test('is noted as a replacement, before anything is replaced, if it is another one', () => {
    const next = { ...recorded, replacement: 'new' };
    expect(compareVolumes(key, recorded, 'new')).toEqual({ kind: 'put', next });
    const noted = { ...next, version: 4n };
    expect(compareVolumes(key, noted, 'new')).toEqual({ kind: 'replace', identity: noted });
    const third = { ...noted, replacement: 'third' };
    expect(compareVolumes(key, noted, 'third')).toEqual({ kind: 'put', next: third });
    expect(replaced(noted)).toEqual({ ...recorded, filesystemId: 'new', version: 4n });
  });

  test('calls a replacement off if it is the old one, before the storage serves', () => {
    const noted = { ...recorded, replacement: 'new', version: 4n };
    const next = { ...recorded, version: 4n };
    expect(compareVolumes(key, noted, 'old')).toEqual({ kind: 'put', next });
  });

  test('may not be hidden once it was known', () => {
    expect(compareVolumes(key, recorded, '')).toEqual({ kind: 'shownNone', identity: recorded });
  });
});

describe('a replica whose volume is gone', () => {
  test('holds nothing from then on', () => {
    for (const held of [replica('b', 5n), replica('b', 3n)]) {
      const record = recordWith({ replicas: [replica('a', 5n), held] });
      const next = { ...record, replicas: [replica('a', 5n), replica('b', -1n, 'learner')] };
      expect(giveUpReplica(record, 'b', all)).toEqual({ kind: 'change', next });
      expect(giveUpReplica(next, 'b', all)).toEqual({ kind: 'refuse', reason: 'holdsNothing' });
    }
  });

  test('cannot be declared in sync by whoever repaired it, and nobody else begins before that has ended', () => {
    const claim = { id: 'x', owner: 'proxy-1' };
    const barrier = { owner: 'proxy-1', expiresAtMs: 10 };
    const held = { ...replica('b', 3n, 'learner'), repair: claim };
    const record = recordWith({ replicas: [replica('a', 5n), held], barrier });
    const equal = { barrier, source: 'a', lsn: 5n };
    expect(promote(record, claim, equal)).toMatchObject({ kind: 'change' });
    const outcome = giveUpReplica(record, 'b', all);
    if (outcome.kind === 'refuse') throw new Error(outcome.reason);
    const { next } = outcome;
    expect(promote(next, claim, equal)).toEqual({ kind: 'refuse', reason: 'claimLost' });
    const other = { id: 'y', owner: 'proxy-2' };
    expect(claimRepair(next, 'b', other)).toEqual({ kind: 'refuse', reason: 'claimed' });
    expect(giveUpReplica(next, 'b', all)).toEqual({ kind: 'refuse', reason: 'holdsNothing' });
    const released = releaseRepair(next, claim);
    expect(released).toMatchObject({ next: { replicas: [{}, replica('b', -1n, 'learner')] } });
    if (released.kind === 'change') {
      expect(claimRepair(released.next, 'b', other)).toMatchObject({ kind: 'change' });
    }
  });

  test('stays if no other one is in sync, or none that can be reached', () => {
    const alone = recordWith({ primary: 'b', replicas: [replica('a', 4n), replica('b', 5n)] });
    const refusal = { kind: 'refuse', reason: 'noOther' };
    expect(giveUpReplica(alone, 'b', all)).toEqual(refusal);
    expect(giveUpReplica(recordWith(), 'b', () => false)).toEqual(refusal);
  });

  test('that was the primary is followed by one that can be reached, in a new epoch', () => {
    const outcome = giveUpReplica(recordWith({ primary: 'b' }), 'b', (other) => other === 'c');
    expect(outcome).toMatchObject({ kind: 'change', next: { primary: 'c', epoch: 2n } });
  });

  test('never leaves a repository without a reachable replica in sync, and changes no other', () => {
    const reachable = fc.subarray([...someStorages]);
    fc.assert(
      fc.property(anyRecord, fc.constantFrom(...someStorages), reachable, (record, lost, there) => {
        const outcome = giveUpReplica(record, lost, (storage) => there.includes(storage));
        if (outcome.kind === 'refuse') return;
        const { next } = outcome;
        const inSync = inSyncVoters(next);
        expect(inSync).not.toContain(lost);
        expect(inSync.some((storage) => there.includes(storage))).toBe(true);
        expect(inSync).toContain(next.primary);
        const others = (all: typeof record) => all.replicas.filter((it) => it.storage !== lost);
        expect(others(next)).toEqual(others(record));
        expect(next.lsn).toBe(record.lsn);
        expect(next.epoch > record.epoch).toBe(next.primary !== record.primary);
      }),
    );
  });
});
