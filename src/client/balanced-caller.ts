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

/**
 * Makes calls on a channel that is replaced whenever the servers change.
 *
 * 1. A call waits until the channel is connected. Nothing has been sent until then, so that waiting
 *    is safe for writes too. While it waits, other servers are looked for.
 * 2. From then on the channel's own policy rules: see `serviceConfig`.
 * 3. A channel that was replaced lives until its last call has ended.
 */
export class BalancedCaller implements RpcCaller, Stoppable {
  readonly #options: Required<BalancedCallerOptions>;
  readonly #channels = new Set<CountedChannel>();
  #current: CountedChannel | undefined;
  /** Told when {@link #current} is replaced. */
  readonly #waiting = new Set<() => void>();
  #isStopped = false;

  constructor(options: BalancedCallerOptions) {
    this.#options = { connectLimitMs: 3000, ...options };
  }

  /** Makes every call that starts from now on use `channel`, which is owned from now on. */
  use(channel: RpcChannel): void {
    this.#current?.retire();
    this.#current = new CountedChannel(channel, (retired) => this.#channels.delete(retired));
    this.#channels.add(this.#current);
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
      const channel = this.#current;
      const isReady = await this.#readyOrChanged(Math.max(0, Math.min(connectSliceMs, leftMs)));
      if (isReady && channel !== undefined && channel === this.#current) return channel;
      if (leftMs <= 0) throw unreachable(name, limitMs);
      void refresh();
    }
  }

  /** Resolves within `limitMs`: true if the current channel is connected. */
  async #readyOrChanged(limitMs: number): Promise<boolean> {
    const current = this.#current;
    let tell = () => {};
    try {
      return await new Promise<boolean>((resolve) => {
        tell = () => resolve(false);
        this.#waiting.add(tell);
        if (current === undefined) void sleep(this.#options.clock, limitMs).then(tell);
        else void current.ready(limitMs).then(resolve);
      });
    } finally {
      this.#waiting.delete(tell);
    }
  }
}

function unreachable(name: string, limitMs: number): RpcError {
  const text = `no server behind ${name} could be reached within ${limitMs} ms: check that the proxies are running, that the address is right, and that both sides agree about TLS`;
  return new RpcError(statusCodes.UNAVAILABLE, text);
}

/** A channel that is closed when it was retired and its last call has ended. */
class CountedChannel {
  readonly #channel: RpcChannel;
  readonly #onClosed: (self: CountedChannel) => void;
  #calls = 0;
  #isRetired = false;

  constructor(channel: RpcChannel, onClosed: (self: CountedChannel) => void) {
    this.#channel = channel;
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
