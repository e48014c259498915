import { HealthCheckResponse_ServingStatus as Status } from '../../gen/grpc/health/v1/health_pb.ts';
import { statusCodes } from '../../rpc/status.ts';
import { LocalCallError } from '../relay/local-method.ts';
import type { ServingState } from './serving-state.ts';

/** Each holds a stream, and none needs a token. */
const defaultMaxWatches = 1000;

/** The clients that watch the proxy's health. There is one change to tell them: that it stops. */
export class HealthWatches {
  readonly #state: ServingState;
  readonly #maxWatches: number;
  #running = 0;

  constructor(state: ServingState, maxWatches = defaultMaxWatches) {
    this.#state = state;
    this.#maxWatches = maxWatches;
  }

  /**
   * The status now, and the one at the end, which is the end of the watch too. A service that is not known may come to
   * be in gRPC, so that is no error.
   *
   * @throws LocalCallError UNAVAILABLE when the proxy stops, RESOURCE_EXHAUSTED with too many watches
   */
  async *watch(isKnown: boolean, signal: AbortSignal): AsyncGenerator<{ status: Status }, void> {
    if (this.#running >= this.#maxWatches) {
      const message = `${this.#maxWatches} clients watch already`;
      throw new LocalCallError(statusCodes.RESOURCE_EXHAUSTED, message);
    }
    this.#running += 1;
    try {
      if (!isKnown) yield { status: Status.SERVICE_UNKNOWN };
      else if (this.#state.isServing) yield { status: Status.SERVING };
      await this.#state.stopped(signal);
      if (signal.aborted) return;
      if (isKnown) yield { status: Status.NOT_SERVING };
      throw new LocalCallError(statusCodes.UNAVAILABLE, 'the proxy stops');
    } finally {
      this.#running -= 1;
    }
  }
}
