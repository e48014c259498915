import { readFile } from 'node:fs/promises';
import { describe, expect, it } from '@jest/globals';
import { checks } from './checks.ts';
import { judge, tableOf } from './check-model.ts';
import { parsePanReport, parseStory, violatedInvariant } from './pan-report.ts';

const complete = `
(Spin Version 6.5.2 -- 6 December 2019)
	+ Partial Order Reduction

Full statespace search for:
	assertion violations	+

State-vector 68 byte, depth reached 152, errors: 0
  1351495 states, stored
  6182809 states, matched
`;

const violated = `pan:1: assertion violated 0 (at depth 28)
pan: wrote model.pml.trail

(Spin Version 6.5.2 -- 6 December 2019)
Warning: Search not completed
State-vector 68 byte, depth reached 28, errors: 1
      230 states, stored
`;

const replay = `write 0 has its intent; storages {7} vote
          storage {0} carries it out, and {5} too
I3 is violated
spin: model.pml:182, Error: assertion violated
spin: trail ends after 29 steps
#processes: 8
`;

describe('what the model checker reports', () => {
  it('is a proof when every state was looked at', () => {
    expect(parsePanReport(complete)).toEqual({ states: 1351495, result: 'complete' });
  });

  it('is a violation when an assertion fails', () => {
    expect(parsePanReport(violated)).toEqual({ states: 230, result: 'violated' });
  });

  it('is a proof of nothing when the search was cut short', () => {
    const signs = [
      'error: max search depth too small',
      'pan: out of memory',
      'Warning: Search not completed',
    ];
    for (const sign of signs) {
      expect(parsePanReport(`${sign}\n${complete}`).result).toBe('incomplete');
    }
  });

  it('is a proof of nothing when the checker has died or found another error', () => {
    expect(parsePanReport('').result).toBe('incomplete');
    expect(parsePanReport('Segmentation fault').result).toBe('incomplete');
    const endState = violated.replace('assertion violated 0', 'invalid end state');
    expect(parsePanReport(endState).result).toBe('incomplete');
  });
});

describe('the story of a violation', () => {
  it('is what the model says, with sets of storages by name', () => {
    expect(parseStory(replay)).toEqual([
      'write 0 has its intent; storages 0, 1, 2 vote',
      'storage none carries it out, and 0, 2 too',
      'I3 is violated',
    ]);
  });

  it('ends with the invariant', () => {
    expect(violatedInvariant(parseStory(replay))).toBe('I3');
    expect(violatedInvariant(['I3 is violated', 'the goal is reached'])).toBeUndefined();
    expect(violatedInvariant([])).toBeUndefined();
  });
});

describe('the verdict on a check', () => {
  const check = { name: 'x', shows: 'something', settings: {} };
  const proved = { ...parsePanReport(complete), story: [] };
  const broken = { ...parsePanReport(violated), story: parseStory(replay) };
  const reached = { ...broken, story: ['the goal is reached'] };
  const cutShort = { states: 5, result: 'incomplete', story: [] } as const;

  it('asks for a whole search where the protocol holds', () => {
    const passed = [proved, broken, reached, cutShort].map(
      (result) => judge({ ...check, expected: 'holds' }, result, 1).passed,
    );
    expect(passed).toEqual([true, false, false, false]);
  });

  it('asks for a violation where a guard is left out', () => {
    const passed = [proved, broken, reached, cutShort].map(
      (result) => judge({ ...check, expected: 'breaks' }, result, 1).passed,
    );
    expect(passed).toEqual([false, true, false, false]);
  });

  it('asks for a goal to be reached, and for no violation on the way', () => {
    const passed = [proved, broken, reached, cutShort].map(
      (result) => judge({ ...check, expected: 'happens' }, result, 1).passed,
    );
    expect(passed).toEqual([false, false, true, false]);
  });

  it('is a line of a table', () => {
    const results = [
      judge({ ...check, expected: 'holds' }, proved, 1.25),
      judge({ ...check, name: 'longer', expected: 'holds' }, broken, 3),
    ];
    expect(tableOf(results)).toBe(
      [
        '        check   what       found         states   seconds',
        'ok      x       something  no violation  1351495  1.3',
        'FAILED  longer  something  I3            230      3.0',
      ].join('\n'),
    );
  });
});

describe('the checks', () => {
  it('leave out each guard of the model once', async () => {
    const source = await readFile(new URL('write-protocol.pml', import.meta.url), 'utf8');
    const [, guards = ''] = /\/\* The guards\.(.*)#define isRemoved/s.exec(source) ?? [];
    const names = [...guards.matchAll(/^#define (\w+) \d+ /gm)].map(([, name]) => name);
    expect(names.length).toBeGreaterThan(20);
    const removed = checks.flatMap(({ settings }) => settings['REMOVED'] ?? []);
    expect(removed).toEqual(names);
  });
});
