import type { Logger } from '../../base/logger.ts';
import { statusCodes } from '../../rpc/status.ts';
import { splitMethod } from '../routing/method-table.ts';
import { grpcCodeName } from './grpc-code-name.ts';
import type { ServerCall } from './server-call.ts';

/** What a client has written is cut to this, in characters. */
const maxTextLength = 1024;

/** Asked all the time, and of no interest as long as they succeed. */
const healthChecks = '/grpc.health.v1.Health/';

/** Statuses that mean, coming from the proxy itself, that something is wrong with it or behind it. */
const troubles: ReadonlySet<number> = new Set([
  statusCodes.UNKNOWN,
  statusCodes.INTERNAL,
  statusCodes.UNAVAILABLE,
  statusCodes.DATA_LOSS,
]);

/**
 * Writes the one line that each call leaves, when it is over. The names of its fields are those of
 * Gitaly's and Praefect's own logs where they mean the same, so that one search finds all
 * (docs/operations.md).
 *
 * - `warn`: the proxy itself has failed the call, for a reason that is not the client's;
 * - `debug`: a health check that did not fail;
 * - `info`: all others, those among them that a storage has failed.
 *
 * One flat object is built for it, and fields that are undefined are left out by the logger.
 */
export function logCall(call: ServerCall, code: number, ms: number, logger: Logger): void {
  const { head, trace } = call;
  const { service, method } = splitMethod(head.path);
  const fields = {
    'grpc.service': service,
    'grpc.method': method,
    'grpc.code': grpcCodeName(code),
    'grpc.time_ms': Math.round(ms * 1000) / 1000,
    'grpc.request.payload_bytes': call.receivedBytes,
    'grpc.response.payload_bytes': call.sentBytes,
    'grpc.meta.client_name': head.clientName,
    'grpc.meta.call_site': head.callSite,
    correlation_id: head.correlationId,
    virtual_storage: trace.virtualStorage,
    relative_path: cut(trace.relativePath),
    'route.repository_id': trace.repositoryId?.toString(),
    'route.replica_path': trace.replicaPath,
    'route.storage': trace.storage,
    'route.failed_storages': trace.failedStorages,
    'route.primary': trace.primary,
    'route.secondaries': trace.secondaries,
    'route.learners': trace.learners,
    'route.behind': trace.behind,
    error: trace.failure === undefined ? undefined : cut(withoutCredentials(trace.failure)),
  };
  if (trace.isOwnStatus && troubles.has(code)) logger.warn(fields, message);
  else if (code === statusCodes.OK && head.path.startsWith(healthChecks)) {
    logger.debug(fields, message);
  } else logger.info(fields, message);
}

const message = 'call ended';

function cut(text: string | undefined): string | undefined {
  return text === undefined || text.length <= maxTextLength ? text : text.slice(0, maxTextLength);
}

/** Git repeats addresses in its messages, and those of mirrors may hold a password. */
function withoutCredentials(text: string): string {
  return text.replaceAll(/:\/\/[^\s/@]+@/g, '://[hidden]@');
}
