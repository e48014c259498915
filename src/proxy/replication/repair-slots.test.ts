import { describe, expect, it } from '@jest/globals';
import { fc } from '../../../test/support/properties.ts';
import { RepairSlots } from './repair-slots.ts';

describe('the slots of repairs', () => {
  it('are not all taken by copies to one storage, nor from one', () => {
    const slots = new RepairSlots(4);
    for (const source of ['a', 'b', 'c']) slots.take({ target: 'slow', source });
    expect([slots.isFull, slots.hasRoomTo('slow'), slots.hasRoomTo('d')]).toEqual([
      false,
      false,
      true,
    ]);
    const others = new RepairSlots(4);
    for (const target of ['a', 'b', 'c']) others.take({ target, source: 'slow' });
    expect([others.hasRoomFrom('slow'), others.hasRoomFrom('d')]).toEqual([false, true]);
  });

  it('are free again when a copy has ended', () => {
    const slots = new RepairSlots(1);
    const giveBack = slots.take({ target: 'a', source: 'b' });
    expect([slots.isFull, slots.hasRoomTo('c')]).toEqual([true, false]);
    giveBack();
    expect([slots.isFull, slots.hasRoomTo('a')]).toEqual([false, true]);
  });

  it('always have one for another storage, whatever is taken and given back', () => {
    const anyStorage = fc.constantFrom('a', 'b', 'c');
    const steps = fc.array(fc.tuple(anyStorage, anyStorage, fc.boolean()));
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 6 }), steps, (size, story) => {
        const slots = new RepairSlots(size);
        const running: { target: string; giveBack: () => void }[] = [];
        for (const [target, source, ends] of story) {
          if (ends) running.shift()?.giveBack();
          if (!slots.hasRoomTo(target) || !slots.hasRoomFrom(source)) continue;
          running.push({ target, giveBack: slots.take({ target, source }) });
          expect(running.length).toBeLessThanOrEqual(size);
          expect(running.filter((one) => one.target === target).length).toBeLessThan(size);
        }
      }),
    );
  });
});
