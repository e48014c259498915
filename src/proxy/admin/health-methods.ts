import {
  Health,
  HealthCheckResponse_ServingStatus as Serving,
} from '../../gen/grpc/health/v1/health_pb.ts';
import { statusCodes } from '../../rpc/status.ts';
import { LocalCallError, unaryMethod, type LocalMethod } from '../relay/local-method.ts';

/** grpc.health.v1.Health, which works without a token. */
export function healthMethods(isServing: () => boolean): readonly LocalMethod[] {
  return [
    unaryMethod(
      Health.method.check,
      async ({ service }) => {
        if (service !== '') throw new LocalCallError(statusCodes.NOT_FOUND, 'unknown service');
        return { status: isServing() ? Serving.SERVING : Serving.NOT_SERVING };
      },
      { needsToken: false },
    ),
  ];
}
