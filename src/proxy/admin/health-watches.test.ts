import { describe, expect, it } from '@jest/globals';
import { HealthCheckResponse_ServingStatus as Status } from '../../gen/grpc/health/v1/health_pb.ts';
import { statusCodes } from '../../rpc/status.ts';
import { HealthWatches } from './health-watches.ts';
import { ServingState } from './serving-state.ts';

function start(maxWatches = 2) {
  const state = new ServingState();
  const watches = new HealthWatches(state, maxWatches);
  const watch = (isKnown = true, signal = new AbortController().signal) =>
    watches.watch(isKnown, signal);
  return { state, watch };
}

const serving = { done: false, value: { status: Status.SERVING } };

describe('a watch of the health', () => {
  it('tells that the proxy serves, then that it stops, and ends', async () => {
    const { state, watch } = start();
    const watching = watch();
    expect(await watching.next()).toEqual(serving);
    const last = watching.next();
    state.stop();
    expect(await last).toEqual({ done: false, value: { status: Status.NOT_SERVING } });
    await expect(watching.next()).rejects.toMatchObject({ code: statusCodes.UNAVAILABLE });
  });

  it('of a service that is not known only ends', async () => {
    const { state, watch } = start();
    const watching = watch(false);
    expect(await watching.next()).toEqual({
      done: false,
      value: { status: Status.SERVICE_UNKNOWN },
    });
    state.stop();
    await expect(watching.next()).rejects.toMatchObject({ code: statusCodes.UNAVAILABLE });
  });

  it('of a proxy that stops already tells so', async () => {
    const { state, watch } = start();
    state.stop();
    const watching = watch();
    expect(await watching.next()).toEqual({ done: false, value: { status: Status.NOT_SERVING } });
    await expect(watching.next()).rejects.toMatchObject({ code: statusCodes.UNAVAILABLE });
  });

  it('is refused when there are too many, until one has gone', async () => {
    const { watch } = start(2);
    const leaving = new AbortController();
    const first = watch(true, leaving.signal);
    const second = watch();
    expect(await first.next()).toEqual(serving);
    expect(await second.next()).toEqual(serving);
    await expect(watch().next()).rejects.toMatchObject({ code: statusCodes.RESOURCE_EXHAUSTED });
    const over = first.next();
    leaving.abort();
    expect(await over).toEqual({ done: true, value: undefined });
    const third = watch();
    expect(await third.next()).toEqual(serving);
    await second.return();
    expect(await watch().next()).toEqual(serving);
  });
});
