import { describe, expect, test } from '@jest/globals';
import { fc } from '../../../test/support/properties.ts';
import { initialHealth, stepHealth, type HealthEvidence, type HealthState } from './node-health.ts';

const passed: HealthEvidence = { kind: 'checkPassed' };
const refused: HealthEvidence = { kind: 'checkRefused', reason: 'it does not serve' };
const silence: HealthEvidence = { kind: 'unanswered', heard: false };
const signOfLife: HealthEvidence = { kind: 'unanswered', heard: true };
const broken: HealthEvidence = { kind: 'connectionLost', reason: 'ECONNRESET' };

function times(count: number, evidence: HealthEvidence): readonly HealthEvidence[] {
  return Array.from({ length: count }, () => evidence);
}

/** Weighs one piece after the other; `hangs` is that of the last. */
function weigh(evidence: readonly HealthEvidence[], state: HealthState = initialHealth) {
  let step: ReturnType<typeof stepHealth> = { state };
  for (const piece of evidence) step = stepHealth(step.state, piece);
  return { kind: step.state.health.kind, health: step.state.health, hangs: step.hangs };
}

describe('a storage', () => {
  test('that is not heard of yet is healthy with its first good answer, and lost with its first bad', () => {
    expect(weigh([]).kind).toBe('unknown');
    expect(weigh([passed]).kind).toBe('healthy');
    expect(weigh([refused])).toMatchObject({ kind: 'unhealthy', hangs: undefined });
  });

  test('whose connection breaks is lost at once', () => {
    expect(weigh([passed, broken])).toEqual({
      kind: 'unhealthy',
      health: { kind: 'unhealthy', reason: 'ECONNRESET', passes: 0 },
      hangs: undefined,
    });
  });

  test('that is silent hangs after eight rounds, not after seven', () => {
    expect(weigh([passed, ...times(7, silence)]).kind).toBe('healthy');
    expect(weigh([passed, ...times(8, silence)])).toMatchObject({
      kind: 'unhealthy',
      hangs: 'nothing was heard in 8 rounds',
    });
  });

  test('that has not been heard of yet and is silent hangs as well', () => {
    expect(weigh(times(7, silence)).kind).toBe('unknown');
    expect(weigh(times(8, silence)).hangs).toBeDefined();
  });

  test('that is lost and silent on a new connection hangs again', () => {
    expect(weigh([passed, broken, ...times(8, silence)]).hangs).toBeDefined();
  });

  test('that is too busy to answer is kept as long as it sends something, within a bound', () => {
    const busy = Array.from({ length: 39 }, (_, index) => (index % 8 === 7 ? signOfLife : silence));
    expect(weigh([passed, ...busy]).kind).toBe('healthy');
    expect(weigh([passed, ...times(39, signOfLife), passed, ...busy]).kind).toBe('healthy');
    expect(weigh([passed, ...times(40, signOfLife)])).toMatchObject({
      kind: 'unhealthy',
      hangs: 'no check was answered in 40 rounds',
    });
  });

  test('that says no is lost the third time in a row, and its calls go on', () => {
    expect(weigh([passed, refused, refused, passed, refused, refused]).kind).toBe('healthy');
    expect(weigh([passed, refused, refused, refused])).toMatchObject({
      kind: 'unhealthy',
      hangs: undefined,
    });
  });

  test('that was lost is used again after two good answers in a row', () => {
    expect(weigh([broken, passed]).kind).toBe('unhealthy');
    expect(weigh([broken, passed, refused, passed]).kind).toBe('unhealthy');
    expect(weigh([broken, passed, passed]).kind).toBe('healthy');
  });
});

describe('whatever came before', () => {
  const anything = fc.array(fc.constantFrom(passed, refused, silence, signOfLife, broken), {
    maxLength: 40,
  });

  test('eight silent rounds lose a storage, and drop its connection', () => {
    fc.assert(
      fc.property(anything, (before) => {
        let state = initialHealth;
        for (const piece of before) ({ state } = stepHealth(state, piece));
        const drops = times(8, silence).filter((piece) => {
          const step = stepHealth(state, piece);
          ({ state } = step);
          return step.hangs !== undefined;
        });
        expect(state.health.kind).toBe('unhealthy');
        expect(drops).toHaveLength(1);
      }),
    );
  });

  test('two good answers make it healthy', () => {
    fc.assert(
      fc.property(anything, (before) => {
        expect(weigh([...before, passed, passed]).kind).toBe('healthy');
      }),
    );
  });
});
