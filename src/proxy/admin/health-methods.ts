import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from '../../gen/grpc/health/v1/health_pb.ts';
import { statusCodes } from '../../rpc/status.ts';
import {
  LocalCallError,
  streamingMethod,
  unaryMethod,
  type LocalMethod,
} from '../relay/local-method.ts';
import { HealthWatches } from './health-watches.ts';
import { servedServices } from './served-services.ts';
import type { ServingState } from './serving-state.ts';

/**
 * grpc.health.v1.Health, which works without a token. Every service is as well as the server as a whole. Praefect
 * knows no service by its name here.
 */
export function healthMethods(state: ServingState): readonly LocalMethod[] {
  const { method } = Health;
  const options = { needsToken: false };
  const watches = new HealthWatches(state);
  const now = () => (state.isServing ? Status.SERVING : Status.NOT_SERVING);
  return [
    unaryMethod(
      method.check,
      async ({ service }) => {
        if (isKnown(service)) return { status: now() };
        throw new LocalCallError(statusCodes.NOT_FOUND, 'unknown service');
      },
      options,
    ),
    streamingMethod(
      method.watch,
      ({ service }, signal) => watches.watch(isKnown(service), signal),
      options,
    ),
    unaryMethod(
      method.list,
      async () => {
        const status = now();
        const names = ['', ...servedServices];
        return { statuses: Object.fromEntries(names.map((name) => [name, { status }])) };
      },
      options,
    ),
  ];
}

/** No name stands for the server as a whole. */
function isKnown(service: string): boolean {
  return service === '' || servedServices.has(service);
}
