import { statusCodes } from '../../rpc/status.ts';
import { TokenVerifier, type TokenOutcome } from '../../rpc/token.ts';
import { CoarseTimers } from '../../base/coarse-timers.ts';
import { NumberMap } from '../../base/number-map.ts';
import type { Clock } from '../../base/clock.ts';
import type { HeaderField } from '../wire/hpack/header-field.ts';
import type { Http2Stream, StreamEvents } from '../wire/http2/stream.ts';
import type { YamuxSession } from '../wire/yamux/session.ts';
import { readCallHead } from './call-head.ts';
import type { LocalMethod } from './local-method.ts';
import { ServerCall, timeUpStatus } from './server-call.ts';

export interface DispatcherOptions {
  /** Methods that the proxy answers itself. */
  readonly localMethods: readonly LocalMethod[];
  /**
   * Takes every other call, once its first message is there. What it returns, if there is more to do
   * than to relay, resolves when that is done, and never rejects.
   */
  forward(call: ServerCall): Promise<void> | undefined;
  /** The tokens that clients may sign with. None accepted yet: every call is refused. */
  tokens(): readonly string[];
  /** A call has begun. Default: nobody wants to know. */
  onStarted?(call: ServerCall): void;
  /** Lets calls through whatever their tokens are; they are checked all the same. Default false. */
  readonly isTransitioning?: boolean;
  onEnded(call: ServerCall, code: number): void;
  /** The token of a call was checked. Default: nobody wants to know. */
  onTokenChecked?(outcome: TokenOutcome): void;
  /** A correlation id for a call without one. Default: it gets none. */
  newCorrelationId?(): string;
  /** How many calls that need no token may be open. More are refused. Default: any number. */
  readonly maxOpenWithoutToken?: number;
  readonly clock: Clock;
  /** See {@link ServerCall}. */
  readonly firstMessageLimitMs?: number;
}

/** `/package.Service/Method`. What is none must not reach a storage, which may take offence at it. */
const methodPath = /^\/[\w.]+\/\w+$/;
/** How late a limit of a second or more may come. */
const timerSlackMs = 50;
/** Anyone may make us keep so much. */
const maxBytesWithoutToken = 64 * 1024;

/** Receives calls: checks who calls, and hands each to whoever answers it. */
export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #localMethods: ReadonlyMap<string, LocalMethod>;
  readonly #tokens = new TokenVerifier();
  readonly #timers: CoarseTimers;
  /** Calls whose client waits for the end. */
  readonly #open = new NumberMap<ServerCall>();
  #lastCall = 0;
  /** How many of them need no token. */
  #openWithoutToken = 0;
  #working = 0;

  constructor(options: DispatcherOptions) {
    this.#options = options;
    this.#timers = new CoarseTimers(options.clock, timerSlackMs);
    this.#localMethods = new Map(options.localMethods.map((method) => [method.path, method]));
  }

  /**
   * Whether nothing goes on: no client waits, and no call whose client has its end, or has gone, is
   * still being carried out.
   */
  get isIdle(): boolean {
    return this.#open.size === 0 && this.#working === 0;
  }

  /** The calls whose client waits for the end, in no order. */
  get running(): readonly ServerCall[] {
    return this.#open.values();
  }

  /** Ends the calls that are open, because the proxy stops; returns how many they are. */
  cut(): number {
    const calls = this.#open.values();
    for (const call of calls) call.cut('the proxy stops');
    return calls.length;
  }

  /** @param mux the client's yamux session, if its connection has one */
  onRequest(
    stream: Http2Stream,
    fields: readonly HeaderField[],
    endStream: boolean,
    mux: YamuxSession | undefined,
  ): StreamEvents {
    const { clock, firstMessageLimitMs, newCorrelationId } = this.#options;
    const head = readCallHead(fields, newCorrelationId, this.#needsMetadata);
    const local = this.#localMethods.get(head.path);
    const number = ++this.#lastCall;
    const needsToken = local?.needsToken !== false;
    if (!needsToken) this.#openWithoutToken += 1;
    const call = new ServerCall({
      stream,
      head,
      mux,
      clock,
      coarseTimers: this.#timers,
      maxFirstMessageBytes: needsToken ? undefined : maxBytesWithoutToken,
      firstMessageLimitMs,
      onEnded: (ended, code) => {
        this.#open.delete(number);
        if (!needsToken) this.#openWithoutToken -= 1;
        this.#options.onEnded(ended, code);
      },
      onFirstMessage: (ready) => this.#serve(ready, local),
    });
    this.#open.set(number, call);
    this.#options.onStarted?.(call);
    if (head.refusal !== undefined) call.refuse(head.refusal);
    if (!methodPath.test(head.path)) {
      call.fail({
        code: statusCodes.UNIMPLEMENTED,
        message: `malformed method name: ${JSON.stringify(head.path)}`,
      });
    }
    if (needsToken) this.#checkToken(call);
    else this.#checkRoom(call);
    if (head.compressed && !call.ended) {
      call.fail({
        code: statusCodes.UNIMPLEMENTED,
        message: 'compressed messages are not supported',
      });
    }
    // No storage gets a call that has no time left when it comes.
    if (head.timeoutMs === 0) call.fail(timeUpStatus);
    if (endStream) call.onData(noBytes, 0, 0, true);
    return call;
  }

  /** Nobody looks at the metadata of calls that need no token, and anyone may send it. */
  readonly #needsMetadata = (path: string) => this.#localMethods.get(path)?.needsToken !== false;

  #serve(call: ServerCall, local: LocalMethod | undefined): void {
    const work = local === undefined ? this.#options.forward(call) : local.serve(call);
    if (work === undefined) return;
    this.#working += 1;
    void work.finally(() => {
      this.#working -= 1;
    });
  }

  #checkRoom(call: ServerCall): void {
    const { maxOpenWithoutToken = Number.POSITIVE_INFINITY } = this.#options;
    if (this.#openWithoutToken <= maxOpenWithoutToken) return;
    call.fail({
      code: statusCodes.RESOURCE_EXHAUSTED,
      message: `${maxOpenWithoutToken} calls without a token are under way: try again later`,
    });
  }

  #checkToken(call: ServerCall): void {
    const { tokens, clock, isTransitioning = false, onTokenChecked } = this.#options;
    const { authorization } = call.head;
    const outcome = this.#tokens.verify(authorization, tokens(), clock.wallMs());
    call.trace.isAuthenticated = outcome.kind === 'accepted';
    onTokenChecked?.(outcome);
    if (outcome.kind === 'accepted' || isTransitioning) return;
    call.fail({ code: outcome.code, message: outcome.message });
  }
}

const noBytes = Buffer.alloc(0);
