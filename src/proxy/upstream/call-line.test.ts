import { describe, expect, test } from '@jest/globals';
import { fc } from '../../../test/support/properties.ts';
import { CallLine, type Lane } from './call-line.ts';

class TestLane implements Lane {
  limit: number;
  running = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  get room(): number {
    return this.limit - this.running;
  }
}

/** A line, and whoever acts on what it says. Calls are numbered as they come. */
class Storage {
  readonly line: CallLine<TestLane, number>;
  /** Of calls, and of checks, in the order in which they went out. */
  readonly begun: readonly [calls: number[], checks: number[]] = [[], []];
  readonly refused: number[] = [];
  readonly #checks = new Set<number>();
  #last = 0;

  constructor(limits: { readonly maxLanes?: number; readonly maxWaiting?: number } = {}) {
    this.line = new CallLine({ maxLanes: 3, maxWaiting: 5, ...limits });
  }

  add(limit: number): TestLane {
    const lane = new TestLane(limit);
    this.line.add(lane, false);
    this.serve();
    return lane;
  }

  call(isCheck = false): void {
    const call = ++this.#last;
    if (isCheck) this.#checks.add(call);
    const lane = this.line.laneFor(isCheck);
    if (lane !== undefined) this.#begin(call, lane);
    else if (!this.line.join(call, isCheck)) this.refused.push(call);
  }

  giveUp(call: number): void {
    this.line.leave(call);
  }

  end(lane: TestLane | undefined): void {
    if (lane === undefined || lane.running === 0) return;
    lane.running -= 1;
    this.serve();
  }

  serve(): void {
    for (let next = this.line.next(); next !== undefined; next = this.line.next()) {
      this.#begin(next.call, next.lane);
    }
  }

  #begin(call: number, lane: TestLane): void {
    if (lane.room <= 0) throw new Error('a connection got more calls than it takes');
    lane.running += 1;
    this.begun[this.#checks.has(call) ? 1 : 0].push(call);
  }
}

describe('calls to a storage', () => {
  test('fill the first connection but for one call, then the next', () => {
    const storage = new Storage();
    const [first, second] = [storage.add(3), storage.add(3)];
    for (let index = 0; index < 4; index++) storage.call();
    expect([first.running, second.running]).toEqual([2, 2]);
    storage.end(first);
    storage.call();
    expect([first.running, second.running]).toEqual([2, 2]);
  });

  test('leave the room for health checks, which go before those that wait', () => {
    const storage = new Storage();
    const only = storage.add(2);
    for (let index = 0; index < 3; index++) storage.call();
    storage.call(true);
    storage.call(true);
    expect(storage.begun).toEqual([[1], [4]]);
    storage.end(only);
    expect(storage.begun).toEqual([[1], [4, 5]]);
    only.running = 0;
    storage.serve();
    expect(storage.begun).toEqual([
      [1, 2],
      [4, 5],
    ]);
  });

  test('need a further connection where the storage takes one at a time', () => {
    const storage = new Storage();
    storage.add(1);
    storage.call();
    expect([storage.line.waiting, storage.line.wantsLane]).toEqual([1, true]);
    storage.add(1);
    expect([storage.line.waiting, storage.line.wantsLane]).toEqual([0, false]);
  });

  test('want no more connections than are allowed', () => {
    const storage = new Storage({ maxLanes: 2 });
    storage.add(1);
    storage.add(1);
    storage.call();
    storage.call();
    expect([storage.line.waiting, storage.line.wantsLane]).toEqual([1, false]);
  });

  test('are refused when too many wait; one that is given up makes room', () => {
    const storage = new Storage({ maxWaiting: 2 });
    storage.add(0);
    for (let index = 0; index < 3; index++) storage.call();
    storage.giveUp(1);
    storage.call();
    storage.call();
    expect(storage.refused).toEqual([3, 5]);
    expect(storage.line.clear()).toEqual([2, 4]);
    expect(storage.line.waiting).toBe(0);
  });

  test('wait while more run than the storage takes by now', () => {
    const storage = new Storage();
    const only = storage.add(4);
    for (let index = 0; index < 3; index++) storage.call();
    only.limit = 2;
    storage.call();
    storage.end(only);
    storage.end(only);
    expect(storage.begun[0]).toEqual([1, 2, 3]);
    storage.end(only);
    expect(storage.begun[0]).toEqual([1, 2, 3, 4]);
  });
});

const step = fc.oneof(
  fc.record({ kind: fc.constant('call' as const), isCheck: fc.boolean() }),
  fc.record({ kind: fc.constant('end' as const), lane: fc.nat({ max: 3 }) }),
  fc.record({ kind: fc.constant('add' as const), limit: fc.nat({ max: 3 }) }),
  fc.record({ kind: fc.constant('remove' as const), lane: fc.nat({ max: 3 }) }),
  fc.record({
    kind: fc.constant('limit' as const),
    lane: fc.nat({ max: 3 }),
    limit: fc.nat({ max: 4 }),
  }),
  fc.record({ kind: fc.constant('giveUp' as const), call: fc.nat({ max: 40 }) }),
);

describe('whatever happens to the connections', () => {
  test('calls go in their order, within the limits, and none waits for nothing', () => {
    const property = fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const storage = new Storage();
      const { line } = storage;
      for (const next of steps) {
        apply(storage, next);
        const [first, ...others] = line.lanes;
        const hasRoom = (first?.room ?? 0) > 1 || others.some(({ room }) => room > 0);
        if (hasRoom) expect(line.waiting).toBe(0);
        if (line.waiting === 0 || line.lanes.length >= 3) expect(line.wantsLane).toBe(false);
        for (const begun of storage.begun) {
          expect(begun).toEqual(begun.toSorted((a, b) => a - b));
        }
      }
    });
    fc.assert(property, { numRuns: 200 });
  });
});

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

function apply(storage: Storage, next: Step): void {
  const { lanes } = storage.line;
  switch (next.kind) {
    case 'call':
      storage.call(next.isCheck);
      break;
    case 'end':
      storage.end(lanes[next.lane]);
      break;
    case 'add':
      if (lanes.length < 4) storage.add(next.limit);
      break;
    case 'remove': {
      const lane = lanes[next.lane];
      if (lane !== undefined) storage.line.remove(lane);
      storage.serve();
      break;
    }
    case 'limit': {
      const lane = lanes[next.lane];
      if (lane !== undefined) lane.limit = next.limit;
      storage.serve();
      break;
    }
    case 'giveUp':
      storage.giveUp(next.call);
      break;
  }
}
