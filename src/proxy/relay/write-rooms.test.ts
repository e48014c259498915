import { describe, expect, test } from '@jest/globals';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { StorageCalls } from '../upstream/storage-calls.ts';
import type { VirtualStorage } from '../upstream/storage-directory.ts';
import { WriteRooms } from './write-rooms.ts';

const wanted = () => true;

/** Storages without room, and how to give each room for so many calls. */
function startStorages(...names: string[]) {
  const clock = new ManualClock();
  const all = new Map(
    names.map((name) => {
      const session = { room: 0, request: () => undefined };
      const connectFurther = () => new Promise<void>(() => {});
      const calls = new StorageCalls({ storage: name, connectFurther, clock });
      calls.add(session, false);
      return [name, { session, calls }];
    }),
  );
  const of = (name: string) => {
    const storage = all.get(name);
    if (storage === undefined) throw new Error(`there is no storage ${name}`);
    return storage;
  };
  const virtualStorage = { calls: (name: string) => of(name).calls } as unknown as VirtualStorage;
  return {
    clock,
    virtualStorage,
    /** Gives it room for so many calls, beside the one that is kept for health checks. */
    async free(name: string, calls: number) {
      of(name).session.room = calls + 1;
      of(name).calls.onRoom();
      await clock.advance(0);
    },
    waiting: (name: string) => of(name).calls.waiting,
  };
}

describe('writes whose storages have little room', () => {
  test('take it in one order, so that none holds what the other waits for', async () => {
    const { virtualStorage, free } = startStorages('a', 'b');
    const [first, second] = [new WriteRooms(virtualStorage), new WriteRooms(virtualStorage)];
    const taken: string[] = [];
    const one = first.take(['a', 'b'], wanted).then(() => taken.push('first'));
    const other = second.take(['b', 'a'], wanted).then(() => taken.push('second'));
    await free('b', 1);
    await free('a', 1);
    expect(taken).toEqual(['first']);
    first.leave();
    await Promise.all([one, other]);
    expect(taken).toEqual(['first', 'second']);
  });

  test('go on without a storage that has none in time', async () => {
    const { virtualStorage, free, clock, waiting } = startStorages('a', 'b');
    const rooms = new WriteRooms(virtualStorage);
    await free('b', 1);
    expect([rooms.areFree(['b']), rooms.areFree(['a', 'b'])]).toEqual([true, false]);
    const taking = rooms.take(['a', 'b'], wanted);
    await clock.advance(10_000);
    await taking;
    expect(waiting('a')).toBe(0);
    expect(rooms.areFree(['b'])).toBe(false);
    rooms.leave();
    expect(rooms.areFree(['b'])).toBe(true);
  });

  test('take no more once nobody wants them', async () => {
    const { virtualStorage, free } = startStorages('a', 'b');
    const rooms = new WriteRooms(virtualStorage);
    let isWanted = true;
    const taking = rooms.take(['a', 'b'], () => isWanted);
    isWanted = false;
    await free('a', 1);
    await free('b', 1);
    await taking;
    expect(rooms.areFree(['a', 'b'])).toBe(true);
  });
});
