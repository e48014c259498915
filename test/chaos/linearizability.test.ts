import { describe, expect, test } from '@jest/globals';
import { fc } from '../support/properties.ts';
import {
  describeViolation,
  linearizabilityViolation,
  staleReadViolation,
} from './linearizability.ts';
import type { Operation, Read, Write } from './register-history.ts';

function write(value: string, startMs: number, endMs: number, outcome: Write['outcome'] = 'ok') {
  return { kind: 'write', by: 'writer', value, startMs, endMs, outcome } as const;
}

function read(value: string | undefined, startMs: number, endMs: number): Read {
  return { kind: 'read', by: 'reader', value, startMs, endMs };
}

describe('a linearizable history', () => {
  test.each<[string, readonly Operation[]]>([
    ['that is empty', []],
    ['of one write after the other', [write('a', 0, 1), write('b', 2, 3), read('b', 4, 5)]],
    [
      'of writes at once, the later one first',
      [write('a', 0, 9), write('b', 1, 8), read('a', 10, 11)],
    ],
    [
      'that reads what was there before',
      [read(undefined, 0, 1), write('a', 2, 3), read('a', 4, 5)],
    ],
    [
      'that reads the old value during a write',
      [write('a', 0, 9), read(undefined, 1, 2), read('a', 3, 4)],
    ],
    [
      'of a write that is seen after it was given up',
      [write('a', 0, 1, 'unknown'), write('b', 2, 3), read('b', 4, 5), read('a', 6, 7)],
    ],
    [
      'of a write that was given up and never seen',
      [write('a', 0, 1, 'unknown'), read(undefined, 2, 3)],
    ],
    ['of a refused write', [write('a', 0, 1, 'refused'), read(undefined, 2, 3)]],
    ['whose operations touch', [write('a', 0, 1), read(undefined, 1, 2)]],
  ])('%s', (_, operations) => {
    expect(linearizabilityViolation(operations)).toBeUndefined();
  });
});

describe('a history that is not linearizable', () => {
  test.each<[string, readonly Operation[]]>([
    ['a read after the write misses it', [write('a', 0, 1), read(undefined, 2, 3)]],
    [
      'the value of an earlier write comes back',
      [write('a', 0, 1), write('b', 2, 3), read('a', 4, 5)],
    ],
    [
      'two reads see two writes in two orders',
      [write('a', 0, 9), write('b', 0, 9), read('a', 10, 11), read('b', 12, 13), read('a', 14, 15)],
    ],
    ['a value is read before it is written', [read('a', 0, 1), write('a', 2, 3)]],
    ['a value comes out of nowhere', [read('a', 0, 1)]],
    ['a refused write is seen', [write('a', 0, 1, 'refused'), read('a', 2, 3)]],
    [
      'a write that was seen is gone again',
      [write('a', 0, 1, 'unknown'), read('a', 2, 3), read(undefined, 4, 5)],
    ],
  ])('%s', (_, operations) => {
    expect(linearizabilityViolation(operations)).toBeDefined();
  });

  test('is told with the operations that contradict each other', () => {
    const operations = [write('a', 0, 1), write('b', 2, 3), read('a', 4, 5), read('a', 0.5, 0.6)];
    const violation = linearizabilityViolation(operations);
    expect(violation && describeViolation('refs/heads/main', violation)).toBe(
      [
        'refs/heads/main: each of two values has to come before the other',
        '  reader reads a, 0.5 to 0.6 ms',
        '  writer writes b, 2.0 to 3.0 ms',
        '  reader reads a, 4.0 to 5.0 ms',
      ].join('\n'),
    );
  });
});

describe('reads, each by itself,', () => {
  test.each<[string, readonly Operation[]]>([
    [
      'may see a write in flight and then not',
      [write('a', 0, 9), read('a', 1, 2), read(undefined, 3, 4)],
    ],
    [
      'may see one that was given up come and go',
      [write('a', 0, 1), write('b', 2, 3, 'unknown'), read('b', 4, 5), read('a', 6, 7)],
    ],
  ])('%s', (_, operations) => {
    expect(staleReadViolation(operations)).toBeUndefined();
    expect(linearizabilityViolation(operations)).toBeDefined();
  });

  test.each<[string, readonly Operation[]]>([
    ['may not miss what was acknowledged', [write('a', 0, 1), read(undefined, 2, 3)]],
    ['may not return what was replaced', [write('a', 0, 1), write('b', 2, 3), read('a', 4, 5)]],
    ['may not see what was refused', [write('a', 0, 1, 'refused'), read('a', 2, 3)]],
    ['may not return what nobody wrote', [read('a', 0, 1)]],
  ])('%s', (_, operations) => {
    expect(staleReadViolation(operations)).toBeDefined();
  });

  test('fit where an order of all writes and the read can be found', () => {
    const seen = { fits: 0, not: 0 };
    fc.assert(
      fc.property(anyHistory, (operations) => {
        const writes = operations.filter(({ kind }) => kind === 'write');
        const reads = operations.filter(({ kind }) => kind === 'read');
        const expected = reads.every((it) => hasOrder([...writes, it], undefined));
        seen[expected ? 'fits' : 'not'] += 1;
        expect(staleReadViolation(operations) === undefined).toBe(expected);
      }),
      { numRuns: 4000 },
    );
    expect(Math.min(seen.fits, seen.not)).toBeGreaterThan(800);
  });
});

describe('the search for all orders', () => {
  test('agrees, for small histories of any kind', () => {
    const seen = { linearizable: 0, not: 0 };
    fc.assert(
      fc.property(anyHistory, (operations) => {
        const expected = hasOrder(operations, undefined);
        seen[expected ? 'linearizable' : 'not'] += 1;
        expect(linearizabilityViolation(operations) === undefined).toBe(expected);
      }),
      { numRuns: 4000 },
    );
    // Of each kind enough to mean something.
    expect(Math.min(seen.linearizable, seen.not)).toBeGreaterThan(800);
  });

  test('agrees, for what a register really did, and for that with one read changed', () => {
    const seen = { linearizable: 0, not: 0 };
    fc.assert(
      fc.property(realHistory, fc.nat(), fc.nat(), (operations, which, other) => {
        expect(linearizabilityViolation(operations)).toBeUndefined();
        const changed = withOneReadChanged(operations, which, other);
        const expected = hasOrder(changed, undefined);
        seen[expected ? 'linearizable' : 'not'] += 1;
        expect(linearizabilityViolation(changed) === undefined).toBe(expected);
      }),
      { numRuns: 2000 },
    );
    expect(Math.min(seen.linearizable, seen.not)).toBeGreaterThan(300);
  });
});

test('takes 100,000 operations in its stride', () => {
  const operations = Array.from({ length: 50_000 }, (_, index) => [
    write(`${index}`, index * 2, index * 2 + 3),
    read(`${index}`, index * 2 + 1, index * 2 + 3),
  ]).flat();
  expect(linearizabilityViolation(operations)).toBeUndefined();
});

const outcome = fc.constantFrom<Write['outcome'][]>('ok', 'ok', 'ok', 'unknown', 'refused');
const interval = fc
  .tuple(fc.nat(24), fc.nat(8))
  .map(([startMs, lengthMs]) => ({ startMs, endMs: startMs + lengthMs }));

/** Up to three writes, and reads of any of their values. */
const anyHistory = fc
  .record({
    writes: fc.array(fc.record({ interval, outcome }), { maxLength: 3 }),
    reads: fc.array(fc.record({ interval, value: fc.constantFrom(undefined, 'a', 'b', 'c') }), {
      maxLength: 4,
    }),
  })
  .map(({ writes, reads }): readonly Operation[] => {
    const written = writes.map((it, index) =>
      write('abc'[index] ?? '', it.interval.startMs, it.interval.endMs, it.outcome),
    );
    const values = new Set<string | undefined>([undefined, ...written.map(({ value }) => value)]);
    const seen = reads
      .filter(({ value }) => values.has(value))
      .map((it) => read(it.value, it.interval.startMs, it.interval.endMs));
    return [written, seen].flat();
  });

/** What a register does whose operations happen one after the other, each within some time. */
const realHistory = fc
  .array(fc.record({ isWrite: fc.boolean(), beforeMs: fc.nat(15), afterMs: fc.nat(15), outcome }), {
    minLength: 3,
    maxLength: 7,
  })
  .map((moments): readonly Operation[] => {
    let value: string | undefined;
    return moments.map((it, index) => {
      const atMs = index * 10;
      const [startMs, endMs] = [atMs - it.beforeMs, atMs + it.afterMs];
      if (!it.isWrite) return read(value, startMs, endMs);
      const written = write(`v${index}`, startMs, endMs, it.outcome);
      if (it.outcome !== 'refused') value = written.value;
      return written;
    });
  });

function withOneReadChanged(
  operations: readonly Operation[],
  which: number,
  other: number,
): readonly Operation[] {
  const reads = operations.filter((it) => it.kind === 'read');
  const writes = operations.filter((it) => it.kind === 'write');
  const changed = reads[which % Math.max(1, reads.length)];
  const values = [undefined, ...writes.map(({ value }) => value)];
  const value = values[other % values.length];
  return operations.map((it) => (it === changed ? { ...it, value } : it));
}

/** Tries all orders: takes any operation that no other one has to precede as the next. */
function hasOrder(left: readonly Operation[], value: string | undefined): boolean {
  const doubtful = (it: Operation) => it.kind === 'write' && it.outcome !== 'ok';
  if (left.every(doubtful)) return true;
  const endMs = (it: Operation) => (doubtful(it) ? Infinity : it.endMs);
  return left.some((next) => {
    if (next.kind === 'write' && next.outcome === 'refused') return false;
    if (left.some((it) => endMs(it) < next.startMs)) return false;
    if (next.kind === 'read' && next.value !== value) return false;
    return hasOrder(
      left.filter((it) => it !== next),
      next.value,
    );
  });
}
