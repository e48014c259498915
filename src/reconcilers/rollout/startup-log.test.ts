import { describe, expect, test } from '@jest/globals';

import { readLoggedLine, startupVerdict } from './startup-log.ts';

const at = '2026-01-31T10:00:00.123456789Z';
const atMs = Date.parse('2026-01-31T10:00:00.123Z');
const json = (fields: object) => `${at} ${JSON.stringify(fields)}`;

describe('a line of a log', () => {
  test.each([
    ['an error', { level: 'error', msg: 'no hooks', error: 'denied' }, 'no hooks: denied'],
    ['the end of Gitaly', { level: 'fatal', msg: 'address in use' }, 'address in use'],
    ['a warning', { level: 'warning', msg: 'slow' }, undefined],
    ['what went well', { level: 'info', msg: 'error', error: 'none' }, undefined],
    ['a failed call', { level: 'error', msg: 'finished', 'grpc.method': 'Fetch' }, undefined],
  ])('is told to be %s', (_what, fields, error) => {
    expect(readLoggedLine(json(fields))).toEqual({ atMs, error });
  });

  test('is an error if it is a panic', () => {
    expect(readLoggedLine(`${at} panic: nil map`)).toEqual({ atMs, error: 'panic: nil map' });
  });

  test.each([`${at} some text`, `${at} {"level":"error`, at, `${at} null`])(
    'is none if it is not understood: %s',
    (line) => {
      expect(readLoggedLine(line)).toEqual({ atMs, error: undefined });
    },
  );

  test('is left out without a time', () => {
    expect(readLoggedLine('{"level":"error","msg":"no hooks"}')).toBeUndefined();
  });

  test('is cut to what a status can carry', () => {
    expect(readLoggedLine(json({ level: 'error', msg: 'x'.repeat(5000) }))?.error).toHaveLength(
      200,
    );
  });
});

describe('what a log says of a start', () => {
  test.each([
    [[], { kind: 'clean' }],
    [['no hooks'], { kind: 'errors', message: 'its log has an error: no hooks' }],
    [['a', 'b'], { kind: 'errors', message: 'its log has 2 errors, the first: a' }],
  ])('with the errors %j', (errors, verdict) => {
    expect(startupVerdict(errors)).toEqual(verdict);
  });
});
