import type { Clock, Timer } from '../../base/clock.ts';
import type { HeaderField } from '../wire/hpack/header-field.ts';
import type { Http2Session } from '../wire/http2/session.ts';
import type { StreamEvents } from '../wire/http2/stream.ts';
import { CallLine, type Lane } from './call-line.ts';
import { WaitingCall, type CallOpener, type CallStream } from './waiting-call.ts';

/** A connection to the storage. */
type CallSession = Pick<Http2Session, 'request' | 'room'>;

export interface StorageCallsOptions {
  readonly storage: string;
  /**
   * Calls wait for room: makes a further connection, and adds it. Resolves when that has happened, or
   * when it may be tried again. Never rejects.
   */
  connectFurther(): Promise<void>;
  readonly clock: Clock;
  /** Connections to one storage. Default 8. */
  readonly maxConnections?: number;
  /** Calls that wait for room. Default 1000. */
  readonly maxWaiting?: number;
  /** How long each of them waits. Default 10 s: their tokens last for not much more. */
  readonly waitLimitMs?: number;
}

/** Room for one call, taken in advance: use it, or leave it. */
export interface CallRoom extends CallOpener {
  leave(): void;
}

/** What waits for room. */
interface Waiting {
  readonly sinceMs: number;
  readonly timer: Timer;
  /** There is room. */
  begin(lane: SessionLane, waitedMs: number): void;
  refuse(reason: string): void;
}

/**
 * Puts calls on the connections to one storage, as many on each as the storage takes at a time
 * (SETTINGS_MAX_CONCURRENT_STREAMS). Beyond that further connections are made, and calls wait in the
 * order in which they came: see {@link CallLine}. With no connection left all are refused, since others
 * may serve them.
 */
export class StorageCalls implements CallOpener {
  readonly #options: StorageCallsOptions;
  readonly #line: CallLine<SessionLane, Waiting>;
  readonly #waitLimitMs: number;
  #isConnecting = false;
  #isOpen = true;

  /** The same for health checks: they go before all other calls. */
  readonly checks: CallOpener = {
    request: (fields, endStream, events) => this.#request(fields, endStream, events, true),
  };

  constructor(options: StorageCallsOptions) {
    const { maxConnections = 8, maxWaiting = 1000, waitLimitMs = 10_000 } = options;
    this.#options = options;
    this.#waitLimitMs = waitLimitMs;
    this.#line = new CallLine({ maxLanes: maxConnections, maxWaiting });
  }

  /** Whether there is a connection. */
  get isConnected(): boolean {
    return this.#line.lanes.length > 0;
  }

  /** Lets all calls through, as from the beginning. */
  open(): void {
    this.#isOpen = true;
  }

  /** Lets nothing but health checks through, until {@link open}. What waits for room is refused. */
  close(): void {
    this.#isOpen = false;
    this.#refuseAll();
  }

  /** Whether a call that is made now goes out at once. */
  get hasRoom(): boolean {
    return this.#isOpen && this.#line.laneFor(false) !== undefined;
  }

  /** Calls that wait for room. */
  get waiting(): number {
    return this.#line.waiting;
  }

  request(
    fields: readonly HeaderField[],
    endStream: boolean,
    events: StreamEvents,
  ): CallStream | undefined {
    return this.#request(fields, endStream, events, false);
  }

  /**
   * Takes room for one call, and waits for it like a call. Resolves with undefined if there is none in
   * time, or if `isWanted` says that nobody wants it any more.
   */
  takeRoom(isWanted: () => boolean): Promise<CallRoom | undefined> {
    return new Promise((resolve) => {
      const lane = this.#isOpen ? this.#line.laneFor(false) : undefined;
      if (lane !== undefined) {
        resolve(this.#roomOn(lane));
        return;
      }
      const refuse = () => resolve(undefined);
      const begin = (freed: SessionLane) => {
        if (isWanted()) resolve(this.#roomOn(freed));
        else refuse();
      };
      if (!this.#wait({ begin, refuse }, false)) refuse();
    });
  }

  /** @param isFirst whether it is used before the others */
  add(session: CallSession, isFirst: boolean): void {
    this.#line.add(new SessionLane(session), isFirst);
    this.onRoom();
  }

  /** No more calls go there. */
  remove(session: CallSession): void {
    const lane = this.#line.lanes.find((candidate) => candidate.session === session);
    if (lane === undefined) return;
    this.#line.remove(lane);
    if (this.isConnected) this.onRoom();
    else this.#refuseAll();
  }

  /** A connection may take more calls than before. */
  onRoom(): void {
    if (this.#line.waiting === 0) return;
    const { clock } = this.#options;
    for (let next = this.#line.next(); next !== undefined; next = this.#line.next()) {
      const { call, lane } = next;
      call.timer.cancel();
      call.begin(lane, clock.monotonicMs() - call.sinceMs);
    }
    void this.#connectIfWanted();
  }

  #request(
    fields: readonly HeaderField[],
    endStream: boolean,
    events: StreamEvents,
    isCheck: boolean,
  ): CallStream | undefined {
    if (!isCheck && !this.#isOpen) return undefined;
    const lane = this.#line.laneFor(isCheck);
    if (lane !== undefined) return lane.session.request(fields, endStream, events);
    const call: WaitingCall = new WaitingCall({
      fields,
      endStream,
      events,
      onGivenUp: () => {
        if (waiting !== undefined) this.#leave(waiting);
      },
    });
    const waiting = this.#wait(
      {
        begin: ({ session }, waitedMs) => call.begin(session, waitedMs),
        refuse: (reason) => call.refuse(reason),
      },
      isCheck,
    );
    return waiting === undefined ? undefined : call;
  }

  #roomOn(lane: SessionLane): CallRoom {
    lane.taken += 1;
    const giveBack = () => {
      lane.taken -= 1;
    };
    return {
      request(fields, endStream, events) {
        giveBack();
        return lane.session.request(fields, endStream, events);
      },
      leave: () => {
        giveBack();
        this.onRoom();
      },
    };
  }

  /** @returns undefined if it cannot wait */
  #wait(call: Pick<Waiting, 'begin' | 'refuse'>, isCheck: boolean): Waiting | undefined {
    if (!this.isConnected || !(this.#isOpen || isCheck)) return undefined;
    const { clock, storage } = this.#options;
    const waiting: Waiting = {
      ...call,
      sinceMs: clock.monotonicMs(),
      timer: clock.after(this.#waitLimitMs, () => {
        this.#line.leave(waiting);
        waiting.refuse(`storage ${storage} had no room for it within ${this.#waitLimitMs} ms`);
      }),
    };
    if (!this.#line.join(waiting, isCheck)) {
      waiting.timer.cancel();
      return undefined;
    }
    void this.#connectIfWanted();
    return waiting;
  }

  #leave(waiting: Waiting): void {
    waiting.timer.cancel();
    this.#line.leave(waiting);
  }

  #refuseAll(): void {
    for (const waiting of this.#line.clear()) {
      waiting.timer.cancel();
      waiting.refuse(`the connection to storage ${this.#options.storage} was lost`);
    }
  }

  async #connectIfWanted(): Promise<void> {
    if (this.#isConnecting || !this.#line.wantsLane) return;
    this.#isConnecting = true;
    await this.#options.connectFurther();
    this.#isConnecting = false;
    this.onRoom();
  }
}

/** A session, and the room on it that is taken in advance. */
class SessionLane implements Lane {
  readonly session: CallSession;
  taken = 0;

  constructor(session: CallSession) {
    this.session = session;
  }

  get room(): number {
    return this.session.room - this.taken;
  }
}
