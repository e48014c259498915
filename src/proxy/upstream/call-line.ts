/** A connection, as far as calls are concerned. */
export interface Lane {
  /** How many more calls it takes now. */
  readonly room: number;
}

export interface CallLineLimits {
  /** Beyond these no further connection is asked for. */
  readonly maxLanes: number;
  /** So many calls may wait. */
  readonly maxWaiting: number;
}

/**
 * What is kept free on the first connection. Otherwise a storage with nothing but long calls would get
 * no health check, be taken for one that hangs, and lose them all.
 */
const keptForChecks = 1;

/**
 * Which call to a storage is next, and on which of its connections (pure).
 *
 * 1. A call takes the first connection that has room, unless others wait already. So calls gather on
 *    the first ones, and the further ones fall idle when there are fewer of them.
 * 2. If none has room the call waits, behind those that came before it. Health checks go before all.
 * 3. As long as calls wait, one connection more is wanted, up to the limit. Not for health checks: they
 *    wait only until the connection has begun.
 * 4. A call that finds too many waiting is refused.
 *
 * Invariants: no connection gets more calls than it takes; calls of a kind go in the order in which they
 * came; none waits while a connection has room for it; a health check never waits for other calls to
 * end, unless the storage has lowered its limit.
 */
export class CallLine<L extends Lane, C> {
  readonly #limits: CallLineLimits;
  readonly #lanes: L[] = [];
  readonly #checks = new Set<C>();
  readonly #calls = new Set<C>();

  constructor(limits: CallLineLimits) {
    this.#limits = limits;
  }

  /** In the order in which they are filled. */
  get lanes(): readonly L[] {
    return this.#lanes;
  }

  get waiting(): number {
    return this.#checks.size + this.#calls.size;
  }

  /** Whether calls wait for room that a further connection would give them. */
  get wantsLane(): boolean {
    return this.#calls.size > 0 && this.#lanes.length < this.#limits.maxLanes;
  }

  /** @param isFirst whether it is filled before the others, which are filled as they were added */
  add(lane: L, isFirst: boolean): void {
    if (isFirst) this.#lanes.unshift(lane);
    else this.#lanes.push(lane);
  }

  remove(lane: L): void {
    const position = this.#lanes.indexOf(lane);
    if (position >= 0) this.#lanes.splice(position, 1);
  }

  /** The connection for a call that comes now, or undefined if it has to wait. */
  laneFor(isCheck: boolean): L | undefined {
    if (isCheck) return this.#checks.size === 0 ? this.#laneWithRoom(true) : undefined;
    return this.waiting === 0 ? this.#laneWithRoom(false) : undefined;
  }

  /** Lets a call wait. @returns false if too many do */
  join(call: C, isCheck: boolean): boolean {
    if (isCheck) this.#checks.add(call);
    else if (this.#calls.size >= this.#limits.maxWaiting) return false;
    else this.#calls.add(call);
    return true;
  }

  /** The call waits no longer. */
  leave(call: C): void {
    if (!this.#checks.delete(call)) this.#calls.delete(call);
  }

  /** Takes the next call that has waited out of the line; undefined if there is no room for it. */
  next(): { readonly call: C; readonly lane: L } | undefined {
    for (const [calls, isCheck] of [
      [this.#checks, true],
      [this.#calls, false],
    ] as const) {
      const [call] = calls;
      const lane = call === undefined ? undefined : this.#laneWithRoom(isCheck);
      if (call === undefined || lane === undefined) continue;
      calls.delete(call);
      return { call, lane };
    }
    return undefined;
  }

  /** Takes all calls out of the line. */
  clear(): readonly C[] {
    const calls = [...this.#checks, ...this.#calls];
    this.#checks.clear();
    this.#calls.clear();
    return calls;
  }

  #laneWithRoom(isCheck: boolean): L | undefined {
    const lanes = this.#lanes;
    if (lanes[0] !== undefined && lanes[0].room > (isCheck ? 0 : keptForChecks)) return lanes[0];
    for (let index = 1; index < lanes.length; index++) {
      const lane = lanes[index];
      if (lane !== undefined && lane.room > 0) return lane;
    }
    return undefined;
  }
}
