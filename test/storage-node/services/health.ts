import {
  Health,
  HealthCheckResponse_ServingStatus,
} from '../../../src/gen/grpc/health/v1/health_pb.ts';
import { type Handler, unary } from '../grpc/handler.ts';
import { Code, RpcError } from '../grpc/status.ts';

/** grpc.health.v1.Health/Check. Only the server as a whole is known. */
export function healthHandler(): Handler {
  return unary(Health.method.check, async ({ service }) => {
    if (service !== '') throw new RpcError(Code.NOT_FOUND, 'unknown service');
    return { status: HealthCheckResponse_ServingStatus.SERVING };
  });
}
