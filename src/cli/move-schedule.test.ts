import { describe, expect, it } from '@jest/globals';
import { fc } from '../../test/support/properties.ts';
import { MoveSchedule, type PlannedMove } from './move-schedule.ts';

const move = (relativePath: string, from: string, to: string): PlannedMove => ({
  relativePath,
  from,
  to,
});

const anyMove = fc
  .tuple(
    fc.constantFrom('1', '2', '3', '4'),
    fc.shuffledSubarray(['a', 'b', 'c', 'd'], { minLength: 2 }),
  )
  .map(([path, [from = '', to = '']]) => move(path, from, to));

describe('a schedule of moves', () => {
  it('begins what shares no storage, and goes on when something has ended', () => {
    const moves = [move('1', 'a', 'c'), move('2', 'a', 'd'), move('3', 'b', 'd')];
    const schedule = new MoveSchedule(moves, 1);
    expect(schedule.begin()).toEqual([moves[0], moves[2]]);
    expect(schedule.begin()).toEqual([]);
    if (moves[0] !== undefined) schedule.end(moves[0]);
    expect(schedule.begin()).toEqual([]);
    if (moves[2] !== undefined) schedule.end(moves[2]);
    expect(schedule.begin()).toEqual([moves[1]]);
  });

  it('makes those of one repository one after the other', () => {
    const moves = [move('1', 'a', 'c'), move('1', 'b', 'd')];
    const schedule = new MoveSchedule(moves, 5);
    expect(schedule.begin()).toEqual([moves[0]]);
    if (moves[0] !== undefined) schedule.end(moves[0]);
    expect(schedule.begin()).toEqual([moves[1]]);
  });

  it('keeps its bounds and ends with every move made once, in order for each repository', () => {
    fc.assert(
      fc.property(
        fc.array(anyMove, { maxLength: 20 }),
        fc.integer({ min: 1, max: 3 }),
        fc.infiniteStream(fc.nat()),
        (moves, perStorage, choices) => {
          const schedule = new MoveSchedule(moves, perStorage);
          const made: PlannedMove[] = [];
          while (!schedule.isDone) {
            made.push(...schedule.begin());
            const { running } = schedule;
            for (const storage of ['a', 'b', 'c', 'd']) {
              const here = running.filter(({ from, to }) => from === storage || to === storage);
              expect(here.length).toBeLessThanOrEqual(perStorage);
            }
            expect(new Set(running.map(({ relativePath }) => relativePath)).size).toBe(
              running.length,
            );
            const ending = running[Number(choices.next().value) % running.length];
            if (ending === undefined) throw new Error('it neither runs nor is done');
            schedule.end(ending);
          }
          for (const path of ['1', '2', '3', '4']) {
            const ofPath = ({ relativePath }: PlannedMove) => relativePath === path;
            expect(made.filter(ofPath)).toEqual(moves.filter(ofPath));
          }
        },
      ),
    );
  });
});
