import { create, toBinary } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import { Metadata } from '@grpc/grpc-js';
import { describe, expect, test } from '@jest/globals';
import { CustomHookErrorSchema, LimitErrorSchema } from '../gen/gitaly/errors_pb.ts';
import { StatusSchema } from '../gen/google/rpc/status_pb.ts';
import { errorOfStatus, findDetail, RpcError } from './rpc-error.ts';
import { statusCodes, statusName, toStatusCode } from './status.ts';

function statusWith(details: Buffer | undefined) {
  const metadata = new Metadata();
  if (details !== undefined) metadata.set('grpc-status-details-bin', details);
  return { code: statusCodes.PERMISSION_DENIED, details: 'hook refused', metadata };
}

describe('the error of a status', () => {
  test('has its code, its text and its details by type', () => {
    const detail = anyPack(
      LimitErrorSchema,
      create(LimitErrorSchema, { errorMessage: 'too many' }),
    );
    const bytes = toBinary(StatusSchema, create(StatusSchema, { details: [detail] }));
    const error = errorOfStatus(statusWith(Buffer.from(bytes)));
    expect(String(error)).toBe('PERMISSION_DENIED: hook refused');
    expect(findDetail(error, LimitErrorSchema)?.errorMessage).toBe('too many');
    expect(findDetail(error, CustomHookErrorSchema)).toBeUndefined();
  });

  test('has no details if they cannot be decoded', () => {
    expect(errorOfStatus(statusWith(Buffer.from([0xff]))).details).toEqual([]);
    expect(errorOfStatus(statusWith(undefined)).details).toEqual([]);
  });

  test('is UNKNOWN if gRPC has no such code', () => {
    expect(toStatusCode(99)).toBe(statusCodes.UNKNOWN);
    expect(statusName(99)).toBe('UNKNOWN');
  });
});

describe('an RpcError', () => {
  test('is retryable if the call may succeed when made again', () => {
    const retryable = Object.values(statusCodes).filter((code) => new RpcError(code, '').retryable);
    expect(retryable.map(statusName)).toEqual(['ABORTED', 'UNAVAILABLE']);
  });

  test('is made of anything that was thrown', () => {
    const error = new RpcError(statusCodes.NOT_FOUND, 'gone');
    expect(RpcError.from(error)).toBe(error);
    expect(RpcError.from(new Error('odd'))).toMatchObject({ code: 2, message: 'odd' });
    const thrown = Object.assign(new Error('5 NOT_FOUND: gone'), {
      code: 5,
      details: 'gone',
      metadata: new Metadata(),
    });
    expect(RpcError.from(thrown)).toMatchObject({ code: 5, message: 'gone' });
  });
});
