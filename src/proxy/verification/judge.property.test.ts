import { describe, expect, it } from '@jest/globals';
import { fc } from '../../../test/support/properties.ts';
import { judge, type Observation } from './judge.ts';

const anyObservation: fc.Arbitrary<Observation> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('present'), checksum: fc.constantFrom('x', 'y') }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('missing') }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('damaged'), reason: fc.constant('it is') }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('unknown'), reason: fc.constant('away') }),
  },
) as fc.Arbitrary<Observation>;

const anyObservations = fc
  .array(anyObservation, { maxLength: 5 })
  .map((all) => new Map<string, Observation>(all.map((seen, index) => [`gitaly-${index}`, seen])));

const present = (checksum: string): Observation => ({ kind: 'present', checksum });
const missing: Observation = { kind: 'missing' };
const unknown: Observation = { kind: 'unknown', reason: 'away' };

describe('judging the replicas of a repository', () => {
  it('keeps only equal ones, more than half of all that may hold something where any differ', () => {
    fc.assert(
      fc.property(anyObservations, (observations) => {
        const verdict = judge(observations);
        if (verdict.kind !== 'flawed') return;
        const { kept, flaws, unseen } = verdict;
        const sums = new Set(
          kept.map((storage) => {
            const seen = observations.get(storage);
            return seen?.kind === 'present' ? seen.checksum : undefined;
          }),
        );
        expect(kept.length).toBeGreaterThan(0);
        expect(sums.size).toBe(1);
        expect(sums).not.toContain(undefined);
        expect([...kept, ...flaws.keys(), ...unseen].toSorted()).toEqual(
          [...observations.keys()].toSorted(),
        );
        const different = [...flaws.values()].filter((flaw) => flaw === 'different').length;
        if (different > 0) {
          expect(kept.length).toBeGreaterThan(different + unseen.length);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('finds nothing where all that were seen are equal, and something everywhere else', () => {
    fc.assert(
      fc.property(anyObservations, (observations) => {
        const seen = [...observations.values()].filter(({ kind }) => kind !== 'unknown');
        const texts = new Set(
          seen.map((each) => (each.kind === 'present' ? each.checksum : each.kind)),
        );
        const areEqual = texts.size === 1 && (texts.has('x') || texts.has('y'));
        expect(judge(observations).kind === 'equal').toBe(areEqual);
      }),
    );
  });

  it.each([
    [
      { a: present('x'), b: missing },
      { kind: 'flawed', kept: ['a'] },
    ],
    [
      { a: present('x'), b: missing, c: unknown },
      { kind: 'flawed', kept: ['a'] },
    ],
    [
      { a: present('y'), b: present('x'), c: present('x') },
      { kind: 'flawed', kept: ['b', 'c'] },
    ],
    [{ a: present('x'), b: present('y') }, { kind: 'undecidable' }],
    [{ a: present('x'), b: present('y'), c: missing }, { kind: 'undecidable' }],
    [{ a: present('x'), b: present('y'), c: unknown }, { kind: 'undecidable' }],
    [{ a: missing, b: missing }, { kind: 'undecidable' }],
    [{ a: missing, b: unknown }, { kind: 'unseen' }],
    [{ a: unknown }, { kind: 'unseen' }],
    [{}, { kind: 'unseen' }],
  ] as const)('of %j finds %j', (observations, expected) => {
    expect(judge(new Map(Object.entries(observations)))).toMatchObject(expected);
  });

  it('tells a person which sides there are', () => {
    const observations = new Map([
      ['a', present('x')],
      ['b', present('y')],
      ['c', present('x')],
      ['d', present('y')],
      ['e', unknown],
    ]);
    expect(judge(observations)).toEqual({
      kind: 'undecidable',
      finding:
        'replicas that should be equal differ, and no majority is: a and c | b and d; not seen: e',
    });
  });
});
