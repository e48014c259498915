import { describe, expect, test } from '@jest/globals';
import { callsOn, countCalls, type RunningCall } from './calls-left.ts';
import { outlived } from './outlived.ts';
import { callClassOf } from './call-class.ts';

const fetch = '/gitaly.SSHService/SSHUploadPackWithSidechannel';
const push = '/gitaly.SSHService/SSHReceivePack';
const storage = { virtualStorage: 'default', storage: 'gitaly-0' };

function call(
  path: string,
  startedMs: number,
  trace: Partial<RunningCall['trace']> = {},
): RunningCall {
  return {
    startedMs,
    head: { path },
    trace: {
      virtualStorage: 'default',
      relativePath: `${startedMs}.git`,
      storage: undefined,
      primary: undefined,
      ...trace,
    },
  };
}

function left(...calls: readonly RunningCall[]) {
  return countCalls(callsOn(storage, calls, 1000), 5000);
}

describe('the calls left on a storage', () => {
  test('are the reads that it answers and the writes that it is the primary of', () => {
    expect(
      left(
        call(fetch, 200, { storage: 'gitaly-0' }),
        call(fetch, 100, { storage: 'gitaly-1' }),
        call(push, 300, { primary: 'gitaly-0' }),
        call(push, 400, { primary: 'gitaly-1' }),
        call(push, 500, { primary: 'gitaly-0', virtualStorage: 'other' }),
      ),
    ).toEqual([
      { class: 'fetch', count: 1, oldestMs: 4800, oldestRepository: '200.git' },
      { class: 'push', count: 1, oldestMs: 4700, oldestRepository: '300.git' },
    ]);
  });

  test('are the writes that cannot do without it, too', () => {
    const write = (...needed: readonly string[]) => ({
      primary: 'gitaly-1',
      write: { needs: (name: string) => needed.includes(name) },
    });
    expect(
      left(call(push, 600, write('gitaly-1', 'gitaly-0')), call(push, 700, write('gitaly-1'))),
    ).toEqual([{ class: 'push', count: 1, oldestMs: 4400, oldestRepository: '600.git' }]);
  });

  test('are counted by class, each with its oldest', () => {
    expect(
      left(
        call(fetch, 2000, { storage: 'gitaly-0' }),
        call(fetch, 1500, { storage: 'gitaly-0' }),
        call(fetch, 3000, { storage: 'gitaly-0' }),
      ),
    ).toEqual([{ class: 'fetch', count: 3, oldestMs: 3500, oldestRepository: '1500.git' }]);
  });

  test('may be among those that came before the drain was noted and are not routed yet', () => {
    expect(left(call(push, 1000))).toHaveLength(1);
    expect(left(call(push, 1001))).toEqual([]);
  });

  test('are not those that are about no repository', () => {
    expect(left(call('/grpc.health.v1.Health/Watch', 0, { virtualStorage: undefined }))).toEqual(
      [],
    );
  });
});

describe('the calls that have outlived their grace', () => {
  const calls = [call(fetch, 0), call(fetch, 4500), call(push, 0)];
  const outlivedAt = (nowMs: number, graces: Parameters<typeof outlived>[1]) =>
    outlived(calls, graces, { notedMs: 1000, nowMs }).map((it) => it.call);

  test('are those of a class with a grace, counted from the drain or from their beginning', () => {
    expect(outlivedAt(4999, { fetch: 4000 })).toEqual([]);
    expect(outlivedAt(5000, { fetch: 4000 })).toEqual([calls[0]]);
    expect(outlivedAt(8500, { fetch: 4000 })).toEqual([calls[0], calls[1]]);
    expect(outlivedAt(1e9, {})).toEqual([]);
  });

  test('are all at once with a grace of 0', () => {
    expect(outlivedAt(5000, { fetch: 0, push: 0 })).toEqual(calls);
  });
});

describe('the class of a call', () => {
  test.each([
    [fetch, 'fetch'],
    ['/gitaly.SmartHTTPService/PostUploadPack', 'fetch'],
    [push, 'push'],
    ['/gitaly.SmartHTTPService/PostReceivePack', 'push'],
    ['/gitaly.CommitService/FindCommit', 'unary'],
    ['/gitaly.CommitService/ListCommits', 'stream'],
    ['/gitaly.RepositoryService/GetArchive', 'stream'],
    ['/gitaly.RefService/UpdateReferences', 'unary'],
    ['/gitaly.NewService/NewMethod', 'unary'],
  ])('%s is a %s', (path, expected) => {
    expect(callClassOf(path)).toBe(expected);
  });
});
