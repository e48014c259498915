import { describe, expect, test } from '@jest/globals';
import { headerField } from '../wire/hpack/header-field.ts';
import { readCallHead, upstreamHeaders } from './call-head.ts';

const id = 'x-gitlab-correlation-id';
const correlations = (head: ReturnType<typeof readCallHead>) =>
  head.metadata.filter(({ name }) => name === id).map(({ value }) => value);

describe('the correlation id', () => {
  test("is the client's own, and goes on as it is", () => {
    const head = readCallHead([headerField(id, '01HX')], () => 'made');
    expect(head.correlationId).toBe('01HX');
    expect(correlations(head)).toEqual(['01HX']);
  });

  test('is made where there is none, or an empty one, and goes on too', () => {
    for (const fields of [[], [headerField(id, '')]]) {
      const head = readCallHead(fields, () => 'made');
      expect(head.correlationId).toBe('made');
      expect(correlations(head)).toEqual(['made']);
    }
  });

  test('that stands there twice goes on once', () => {
    const head = readCallHead([headerField(id, 'a'), headerField(id, 'b')], () => 'made');
    expect(correlations(head)).toEqual(['a']);
  });
});

describe('the client name', () => {
  test("is taken from the field of GitLab's tracing first, then from the older one", () => {
    const older = headerField('client_name', 'older');
    const newer = headerField('x-gitlab-client-name', 'newer');
    expect(readCallHead([older, newer]).clientName).toBe('newer');
    expect(readCallHead([newer, older]).clientName).toBe('newer');
    expect(readCallHead([older]).clientName).toBe('older');
    expect(readCallHead([older]).metadata).toEqual([older]);
  });
});

describe('the time limit', () => {
  const headOf = (...values: string[]) =>
    readCallHead([
      headerField(':method', 'POST'),
      headerField('content-type', 'application/grpc'),
      ...values.map((value) => headerField('grpc-timeout', value)),
    ]);

  test('is the last one of several, as with a server in Go', () => {
    expect(headOf('5S', '3S')).toMatchObject({ timeoutMs: 3000, refusal: undefined });
  });

  test('has to be right: one that is not refuses the call, wherever it stands', () => {
    const status = {
      code: 13,
      message: 'malformed grpc-timeout: "soon" is not one to eight digits and a unit',
    };
    for (const values of [['soon'], ['soon', '3S'], ['3S', 'soon']]) {
      expect(headOf(...values).refusal).toEqual({ httpStatus: '400', status });
    }
  });

  test('is there only if the client names one', () => {
    expect(headOf()).toMatchObject({ timeoutMs: undefined, refusal: undefined });
  });
});

describe('what a storage gets', () => {
  test('holds the feature flags that the client has set, equal for each storage of a call', () => {
    const flags = [
      headerField('gitaly-feature-mailmap-options', 'false'),
      headerField('gitaly-feature-git-master', 'true'),
    ];
    const head = readCallHead(flags);
    const flagsFor = (authority: string) =>
      upstreamHeaders({
        head,
        authority: headerField(':authority', authority),
        authorization: undefined,
        virtualStorage: undefined,
        timeoutMs: undefined,
      }).filter(({ name }) => name.startsWith('gitaly-feature-'));
    expect(flagsFor('a')).toEqual(flags);
    expect(flagsFor('b')).toEqual(flags);
  });
});
