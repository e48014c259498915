import { describe, expect, test } from '@jest/globals';
import { DatabaseError } from 'pg';
import { StoreUnavailableError } from './control-store.ts';
import { asStoreError, singleError } from './store-error.ts';

describe('asStoreError', () => {
  test.each([
    ['08006', 'connection_failure'],
    ['25006', 'read_only_sql_transaction'],
    ['28P01', 'invalid_password'],
    ['40P01', 'deadlock_detected'],
    ['53300', 'too_many_connections'],
    ['57014', 'query_canceled'],
    ['57P01', 'admin_shutdown'],
    ['57P03', 'cannot_connect_now'],
  ])('takes %s (%s) for the server being unavailable', (code) => {
    const error = databaseError(code);
    const storeError = asStoreError(error);
    expect(storeError).toBeInstanceOf(StoreUnavailableError);
    expect(storeError.cause).toBe(error);
  });

  test.each([
    ['23505', 'unique_violation'],
    ['23514', 'check_violation'],
    ['42P01', 'undefined_table'],
    ['54000', 'program_limit_exceeded'],
  ])('leaves %s (%s) as it is, since trying again cannot help', (code) => {
    const error = databaseError(code);
    expect(asStoreError(error)).toBe(error);
  });

  test('takes every other error for the server being unavailable, once', () => {
    const error = asStoreError(new Error('ECONNRESET'));
    expect(error).toBeInstanceOf(StoreUnavailableError);
    expect(asStoreError(error)).toBe(error);
    expect(asStoreError('thrown text')).toBeInstanceOf(StoreUnavailableError);
  });
});

describe('singleError', () => {
  test('takes the first of the errors of a name with many addresses, which alone says something', () => {
    const first = new Error('connect ECONNREFUSED 198.18.0.1:5432');
    const all = new AggregateError([first, new Error('connect ENETUNREACH ::1:5432')]);
    expect(singleError(all)).toBe(first);
    expect(asStoreError(all).message).toContain(first.message);
  });

  test('leaves every other error as it is', () => {
    const error = new Error('ECONNRESET');
    expect(singleError(error)).toBe(error);
    expect(singleError(new AggregateError([], 'none')).message).toBe('none');
    expect(singleError('thrown text').message).toBe('thrown text');
  });
});

function databaseError(code: string): DatabaseError {
  return Object.assign(new DatabaseError('message', 7, 'error'), { code });
}
