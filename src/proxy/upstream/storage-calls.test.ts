import { describe, expect, test } from '@jest/globals';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { deferred, type Deferred } from '../../base/deferred.ts';
import { headerField, type HeaderField } from '../wire/hpack/header-field.ts';
import type { Http2Session } from '../wire/http2/session.ts';
import type { Http2Stream, StreamAbort, StreamEvents } from '../wire/http2/stream.ts';
import { StorageCalls, type StorageCallsOptions } from './storage-calls.ts';
import type { CallStream } from './waiting-call.ts';

/** A session that begins every call within its limit, and remembers what it was sent. */
class FakeSession implements Pick<Http2Session, 'request' | 'room'> {
  limit: number;
  running = 0;
  /** Of the calls that were begun: name, and what came of the request. */
  readonly calls: { name: string; fields: readonly HeaderField[]; sent: string }[] = [];
  readonly #onRoom: () => void;

  constructor(limit: number, onRoom: () => void) {
    this.limit = limit;
    this.#onRoom = onRoom;
  }

  get room(): number {
    return Math.max(0, this.limit - this.running);
  }

  request(fields: readonly HeaderField[], _end: boolean, _events: StreamEvents): Http2Stream {
    if (this.room === 0) throw new Error('more calls than the session takes');
    this.running += 1;
    const call = { name: fields[0]?.value ?? '', fields, sent: '' };
    this.calls.push(call);
    const stream: Pick<Http2Stream, 'closed' | 'localEnded' | 'sendData' | 'consumed' | 'reset'> = {
      closed: false,
      localEnded: false,
      sendData(bytes, start, end, endStream, source) {
        call.sent += bytes.toString('latin1', start, end) + (endStream ? '.' : '');
        source?.consumed(end - start);
      },
      consumed() {},
      reset: () => this.end(),
    };
    return stream as Http2Stream;
  }

  end(): void {
    this.running -= 1;
    this.#onRoom();
  }
}

function startCalls(options: Partial<StorageCallsOptions> = {}) {
  const clock = new ManualClock();
  const connecting: Deferred<void>[] = [];
  const calls: StorageCalls = new StorageCalls({
    storage: 'gitaly-0',
    connectFurther: () => {
      const attempt = deferred<void>();
      connecting.push(attempt);
      return attempt.promise;
    },
    clock,
    ...options,
  });
  const add = (limit: number, isFirst = true) => {
    const session = new FakeSession(limit, () => calls.onRoom());
    calls.add(session, isFirst);
    return session;
  };
  return { calls, clock, add, connecting };
}

/** Makes a call of that name, and keeps how it was broken off. */
function callOn(
  calls: Pick<StorageCalls, 'request'>,
  name: string,
  more: readonly HeaderField[] = [],
) {
  const aborts: StreamAbort[] = [];
  const stream: CallStream | undefined = calls.request(
    [headerField(':path', name), ...more],
    false,
    { onHeaders() {}, onData() {}, onAbort: (cause) => aborts.push(cause) },
  );
  return { stream, aborts };
}

const namesOf = (session: FakeSession) => session.calls.map(({ name }) => name);
const bytes = Buffer.from('abcdef');

describe('a call without room', () => {
  test('waits, and sends everything in its order when there is room', () => {
    const { calls, add } = startCalls();
    const session = add(2);
    callOn(calls, 'a');
    const { stream } = callOn(calls, 'b');
    let taken = 0;
    const source = {
      consumed: (count: number) => {
        taken += count;
      },
    };
    stream?.sendData(bytes, 0, 2, false, undefined);
    stream?.sendData(bytes, 2, 5, false, source);
    expect([namesOf(session), calls.waiting, taken]).toEqual([['a'], 1, 0]);
    session.end();
    stream?.sendData(bytes, 5, 6, true, source);
    expect([session.calls[1]?.sent, taken]).toEqual(['abcdef.', 4]);
  });

  test('sends an end that came while it waited', () => {
    const { calls, add } = startCalls();
    const session = add(1);
    const ended = callOn(calls, 'a').stream;
    ended?.sendData(bytes, 0, 0, true, undefined);
    const sent = callOn(calls, 'b').stream;
    sent?.sendData(bytes, 0, 3, true, undefined);
    expect([ended?.localEnded, sent?.localEnded]).toEqual([true, true]);
    session.limit = 3;
    calls.onRoom();
    expect(session.calls.map((call) => call.sent)).toEqual(['.', 'abc.']);
  });

  test('tells the storage what is left of its time', async () => {
    const { calls, add, clock } = startCalls();
    const session = add(1);
    callOn(calls, 'a', [headerField('grpc-timeout', '9S')]);
    await clock.advance(4000);
    session.limit = 2;
    calls.onRoom();
    const timeout = session.calls[0]?.fields.find(({ name }) => name === 'grpc-timeout');
    expect(timeout?.value).toBe('5000m');
    expect(clock.pendingCount).toBe(0);
  });

  test('is refused after ten seconds', async () => {
    const { calls, add, clock } = startCalls();
    add(1);
    const { stream, aborts } = callOn(calls, 'a');
    await clock.advance(9_999);
    expect(aborts).toEqual([]);
    await clock.advance(1);
    const reason = 'storage gitaly-0 had no room for it within 10000 ms';
    expect(aborts).toEqual([{ kind: 'refused', reason }]);
    expect([stream?.closed, calls.waiting, clock.pendingCount]).toEqual([true, 0, 0]);
  });

  test('can be given up while it waits, and leaves nothing behind', () => {
    const { calls, add, clock } = startCalls();
    const session = add(1);
    const { stream, aborts } = callOn(calls, 'a');
    let taken = 0;
    const source = {
      consumed: (count: number) => {
        taken += count;
      },
    };
    stream?.sendData(bytes, 0, 6, false, source);
    stream?.reset(8);
    session.limit = 2;
    calls.onRoom();
    expect([namesOf(session), aborts, taken]).toEqual([[], [], 6]);
    expect([stream?.closed, calls.waiting, clock.pendingCount]).toEqual([true, 0, 0]);
  });

  test('is refused at once where too many wait', () => {
    const { calls, add } = startCalls({ maxWaiting: 1 });
    add(1);
    expect(callOn(calls, 'a').stream).toBeDefined();
    expect(callOn(calls, 'b').stream).toBeUndefined();
  });

  test('is refused when the last connection is gone, and not before', () => {
    const { calls, add, clock } = startCalls();
    const sessions = [add(1), add(0, false)];
    const { aborts } = callOn(calls, 'a');
    calls.remove(sessions[0] as FakeSession);
    expect(aborts).toEqual([]);
    calls.remove(sessions[1] as FakeSession);
    expect(aborts).toMatchObject([{ kind: 'refused' }]);
    expect(callOn(calls, 'b').stream).toBeUndefined();
    expect(clock.pendingCount).toBe(0);
  });

  test('waits behind those that came before, and behind health checks', () => {
    const { calls, add } = startCalls();
    const session = add(0);
    for (const name of ['a', 'b', 'c']) callOn(calls, name);
    callOn(calls.checks, 'check');
    for (session.limit = 1; session.limit <= 4; session.limit++) calls.onRoom();
    expect(namesOf(session)).toEqual(['check', 'a', 'b']);
  });
});

describe('further connections', () => {
  test('are asked for one by one, as long as calls wait', async () => {
    const { calls, add, connecting, clock } = startCalls({ maxConnections: 3 });
    add(2);
    for (const name of ['a', 'b', 'c', 'd', 'e']) callOn(calls, name);
    expect(connecting).toHaveLength(1);
    const second = add(2, false);
    expect(connecting).toHaveLength(1);
    connecting[0]?.resolve();
    await clock.advance(0);
    expect([namesOf(second), connecting.length]).toEqual([['b', 'c'], 2]);
    // It could not be made.
    connecting[1]?.resolve();
    await clock.advance(0);
    expect(connecting).toHaveLength(3);
    const third = add(5, false);
    connecting[2]?.resolve();
    await clock.advance(0);
    expect([namesOf(third), connecting.length]).toEqual([['d', 'e'], 3]);
  });
});

describe('room that is taken in advance', () => {
  test('is there until it is used or left', async () => {
    const { calls, add } = startCalls();
    const session = add(3);
    const [first, second] = [await calls.takeRoom(() => true), await calls.takeRoom(() => true)];
    callOn(calls, 'waits');
    expect([calls.hasRoom, calls.waiting]).toEqual([false, 1]);
    if (first !== undefined) callOn(first, 'in its room');
    expect(namesOf(session)).toEqual(['in its room']);
    second?.leave();
    expect(namesOf(session)).toEqual(['in its room', 'waits']);
  });

  test('is waited for in order, and passed on by whoever does not want it any more', async () => {
    const { calls, add, clock } = startCalls();
    const session = add(1);
    let isWanted = true;
    const first = calls.takeRoom(() => isWanted);
    const second = calls.takeRoom(() => true);
    callOn(calls, 'later');
    isWanted = false;
    session.limit = 2;
    calls.onRoom();
    expect(await first).toBeUndefined();
    const room = await second;
    expect(calls.waiting).toBe(1);
    if (room !== undefined) callOn(room, 'in its room');
    expect(namesOf(session)).toEqual(['in its room']);
    expect(clock.pendingCount).toBe(1);
  });

  test('is not there in time, or not at all', async () => {
    const { calls, add, clock } = startCalls();
    expect(await calls.takeRoom(() => true)).toBeUndefined();
    add(1);
    const room = calls.takeRoom(() => true);
    await clock.advance(10_000);
    expect(await room).toBeUndefined();
  });
});
