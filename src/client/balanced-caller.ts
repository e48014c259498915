import type { DescMessage, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import { sleep, type Clock } from '../base/clock.ts';
import type { Stoppable } from '../base/scope.ts';
import type { CallOptions, RpcCaller, RpcChannel, TypedMethod } from '../rpc/channel.ts';
import { RpcError } from '../rpc/rpc-error.ts';
import { statusCodes, type StatusCode } from '../rpc/status.ts';
import type { RpcStream } from '../rpc/stream.ts';

export interface BalancedCallerOptions {
  /** What people call the servers, for errors. */
  readonly name: string;
  readonly clock: Clock;
  /** How long a call waits for a connection. Default 3 s. */
  readonly connectLimitMs?: number;
  /** Looks for other servers, because there is trouble with those known. Never rejects. */
  readonly refresh: () => Promise<void>;
}

/** How long a call waits for the known servers before it looks for others, and again after that. */
const connectSliceMs = 500;
/** An attempt to connect that is not over after so long gets another beside it. */
const attemptMs = 1000;
/** Attempts at the same time; the oldest is given up for a further one. */
const maxAttempts = 3;

/**
 * Makes calls on a channel that is replaced whenever the servers change.
 *
 * 1. A call waits until the channel is connected. Nothing has been sent until then, so that waiting
 *    is safe for writes too. While it waits, other servers are looked for.
 * 2. After a second of that another channel is opened beside it, as grpc-js never gives up an attempt
 *    to connect: to a machine without power it takes the kernel two minutes to fail, while another
 *    attempt may lead to another server, by a Service's address. The first that is connected counts.
 * 3. From then on the channel's own policy rules: see `serviceConfig`.
 * 4. A channel that was replaced lives until its last call has ended.
 */
export class BalancedCaller implements RpcCaller, Stoppable {
  readonly #options: Required<BalancedCallerOptions>;
  readonly #channels = new Set<CountedChannel>();
  #openChannel: (() => RpcChannel) | undefined;
  /** Channels to the servers known now, latest last; more than one only while none is connected. */
  #attempts: readonly CountedChannel[] = [];
  /** Told when the servers are others. */
  readonly #waiting = new Set<() => void>();
  #isStopped = false;

  constructor(options: BalancedCallerOptions) {
    this.#options = { connectLimitMs: 3000, ...options };
  }

  /**
   * Makes every call that starts from now on use a channel that `openChannel` opens, and owns it. It
   * is asked for more while none connects: each has to make a connection of its own.
   */
  use(openChannel: () => RpcChannel): void {
    this.#openChannel = openChannel;
    this.#keepAttempts([this.#newAttempt(openChannel)]);
    for (const tell of this.#waiting) tell();
  }

  async open<I extends DescMessage, O extends DescMessage>(
    method: TypedMethod<I, O>,
    callOptions: CallOptions = {},
  ): Promise<RpcStream<MessageInitShape<I>, MessageShape<O>>> {
    const channel = await this.#connected(callOptions);
    const stream = await channel.open(method, callOptions);
    void this.#refreshIfUnavailable(stream.ended);
    return stream;
  }

  /** Cuts the calls that are under way. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all([...this.#channels].map((channel) => channel.stop()));
    this.#channels.clear();
  }

  async #refreshIfUnavailable(ended: Promise<StatusCode>): Promise<void> {
    if ((await ended) === statusCodes.UNAVAILABLE) await this.#options.refresh();
  }

  async #connected({ deadlineMs, signal }: CallOptions): Promise<CountedChannel> {
    const { clock, connectLimitMs, refresh, name } = this.#options;
    const limitMs = Math.min(connectLimitMs, deadlineMs ?? connectLimitMs);
    const endMs = clock.monotonicMs() + limitMs;
    for (;;) {
      if (this.#isStopped) throw new RpcError(statusCodes.CANCELLED, 'the client was stopped');
      if (signal?.aborted) throw new RpcError(statusCodes.CANCELLED, 'cancelled by the caller');
      const leftMs = endMs - clock.monotonicMs();
      const channel = await this.#firstReady(Math.max(0, Math.min(connectSliceMs, leftMs)));
      if (channel !== undefined && this.#attempts.includes(channel)) {
        this.#keepAttempts([channel]);
        return channel;
      }
      if (leftMs <= 0) throw unreachable(name, limitMs);
      this.#attemptAgain();
      void refresh();
    }
  }

  /** Resolves within `limitMs`: with a channel that is connected, if there is one. */
  async #firstReady(limitMs: number): Promise<CountedChannel | undefined> {
    const attempts = this.#attempts;
    let tell = () => {};
    try {
      return await new Promise<CountedChannel | undefined>((resolve) => {
        tell = () => resolve(undefined);
        this.#waiting.add(tell);
        if (attempts.length === 0) void sleep(this.#options.clock, limitMs).then(tell);
        const over = attempts.map(async (channel) => {
          if (await channel.ready(limitMs)) resolve(channel);
        });
        if (over.length > 0) void Promise.all(over).then(tell);
      });
    } finally {
      this.#waiting.delete(tell);
    }
  }

  #attemptAgain(): void {
    const { clock } = this.#options;
    const latest = this.#attempts.at(-1);
    if (this.#isStopped || this.#openChannel === undefined || latest === undefined) return;
    if (clock.monotonicMs() - latest.openedMs < attemptMs) return;
    const others = this.#attempts.slice(1 - maxAttempts);
    this.#keepAttempts([...others, this.#newAttempt(this.#openChannel)]);
  }

  #newAttempt(openChannel: () => RpcChannel): CountedChannel {
    const channel = new CountedChannel(openChannel(), this.#options.clock.monotonicMs(), (closed) =>
      this.#channels.delete(closed),
    );
    this.#channels.add(channel);
    return channel;
  }

  #keepAttempts(attempts: readonly CountedChannel[]): void {
    const before = this.#attempts;
    this.#attempts = attempts;
    for (const attempt of before) if (!attempts.includes(attempt)) attempt.retire();
  }
}

function unreachable(name: string, limitMs: number): RpcError {
  const text = `no server behind ${name} could be reached within ${limitMs} ms: check that the proxies are running, that the address is right, and that both sides agree about TLS`;
  return new RpcError(statusCodes.UNAVAILABLE, text);
}

/** A channel that is closed when it was retired and its last call has ended. */
class CountedChannel {
  /** Monotonic time. */
  readonly openedMs: number;
  readonly #channel: RpcChannel;
  readonly #onClosed: (self: CountedChannel) => void;
  #calls = 0;
  #isRetired = false;

  constructor(channel: RpcChannel, openedMs: number, onClosed: (self: CountedChannel) => void) {
    this.#channel = channel;
    this.openedMs = openedMs;
    this.#onClosed = onClosed;
  }

  ready(limitMs: number): Promise<boolean> {
    return this.#channel.ready(limitMs);
  }

  async open<I extends DescMessage, O extends DescMessage>(
    method: TypedMethod<I, O>,
    options: CallOptions,
  ): Promise<RpcStream<MessageInitShape<I>, MessageShape<O>>> {
    this.#calls += 1;
    try {
      const stream = await this.#channel.open(method, options);
      void stream.ended.finally(() => this.#callEnded());
      return stream;
    } catch (error) {
      this.#callEnded();
      throw error;
    }
  }

  retire(): void {
    this.#isRetired = true;
    this.#closeIfUnused();
  }

  async stop(): Promise<void> {
    await this.#channel.stop();
  }

  #callEnded(): void {
    this.#calls -= 1;
    this.#closeIfUnused();
  }

  #closeIfUnused(): void {
    if (!this.#isRetired || this.#calls > 0) return;
    void this.stop();
    this.#onClosed(this);
  }
}
