import { statusCodes } from '../../rpc/status.ts';
import { formatTimeout, parseTimeoutMs, type GrpcStatus } from '../wire/grpc-status.ts';
import { headerField, type HeaderField } from '../wire/hpack/header-field.ts';

/** What the proxy reads of a call's request headers, and what of them goes on to Gitaly. */
export interface CallHead {
  /** `/package.Service/Method`; empty if it is too long to be one. */
  readonly path: string;
  /** The same as the client has sent it: what is passed on as it came costs least. */
  readonly pathField: HeaderField;
  readonly authorization: string | undefined;
  /** What is left of the call's time, if it has a limit. */
  readonly timeoutMs: number | undefined;
  /** The client serves a sidechannel under this id. */
  readonly sidechannelId: bigint | undefined;
  /** The client asks for the primary: it reads what only the primary has. */
  readonly primaryOnly: boolean;
  /** Paths of repositories to which the call's own belongs. More than one makes no sense. */
  readonly partitioningHints: readonly string[];
  /** By which the call is found in all of GitLab's logs. Made here if the client has sent none. */
  readonly correlationId: string | undefined;
  /** The program that calls, like `gitlab-web`, by its own account. */
  readonly clientName: string | undefined;
  /** The part of GitLab that calls, by its own account. */
  readonly callSite: string | undefined;
  /** Where the time limit comes from, by the client's own account. */
  readonly deadlineType: string | undefined;
  /** The client compresses its messages, which the proxy cannot look into. */
  readonly compressed: boolean;
  /** Set if this is no request of gRPC. */
  readonly refusal: HttpRefusal | undefined;
  /** The client's metadata, without what belongs to this hop and what the proxy sets itself. */
  readonly metadata: readonly HeaderField[];
}

/** How a request whose headers are none of gRPC is answered. Wire fact: as grpc-go does. */
export interface HttpRefusal {
  readonly httpStatus: '400' | '405' | '415';
  readonly status: GrpcStatus;
}

/** Fields of one hop, or that the proxy sets anew for each storage. */
const notForwarded: ReadonlySet<string> = new Set([
  ':method',
  ':scheme',
  ':authority',
  ':path',
  'te',
  'content-type',
  'content-length',
  'host',
  'grpc-timeout',
  'grpc-encoding',
  'grpc-accept-encoding',
  'authorization',
  'gitaly-sidechannel-id',
  'gitaly-reference-transaction',
  'virtual_storage',
  'x-gitlab-correlation-id',
]);

const partitioningHint = 'gitaly-partitioning-hint';
const noHints: readonly string[] = [];
const noFields: readonly HeaderField[] = [];

/** No method's path and no correlation id is longer. Both stand in the log, for each call. */
const maxLoggedLength = 256;

/**
 * Reads request headers. A repeated field counts as its first value, a sidechannel id and a time limit as
 * their last.
 *
 * @param newCorrelationId for calls without one
 * @param isForwarded whether calls of this path go on to a storage, with their metadata; default true
 */
export function readCallHead(
  fields: readonly HeaderField[],
  newCorrelationId?: () => string,
  isForwarded: (path: string) => boolean = () => true,
): CallHead {
  const metadata: HeaderField[] = [];
  let path = '';
  let pathField = noPathField;
  let authorization: string | undefined;
  let timeoutMs: number | undefined;
  let malformedTimeout: string | undefined;
  let sidechannelId: bigint | undefined;
  let correlation: HeaderField | undefined;
  let clientName: string | undefined;
  let callSite: string | undefined;
  let deadlineType: string | undefined;
  let primaryOnly = false;
  let partitioningHints: string[] | undefined;
  let compressed = false;
  let method = '';
  let contentType = '';
  for (const field of fields) {
    const { name, value } = field;
    if (!notForwarded.has(name)) metadata.push(field);
    switch (name) {
      case ':method':
        method = value;
        break;
      case 'content-type':
        contentType = value;
        break;
      case ':path':
        if (value.length > maxLoggedLength) break;
        path = value;
        pathField = field;
        break;
      case 'authorization':
        authorization ??= value;
        break;
      case 'grpc-timeout':
        timeoutMs = parseTimeoutMs(value);
        if (timeoutMs === undefined) malformedTimeout ??= value;
        break;
      case 'gitaly-sidechannel-id':
        sidechannelId = /^\d{1,18}$/.test(value) ? BigInt(value) : undefined;
        break;
      case 'gitaly-route-repository-accessor-policy':
        primaryOnly ||= value === 'primary-only';
        break;
      case partitioningHint:
        (partitioningHints ??= []).push(value);
        break;
      case 'x-gitlab-correlation-id':
        if (value !== '') correlation ??= field;
        break;
      case 'x-gitlab-client-name':
        clientName = value.slice(0, maxLoggedLength);
        break;
      case 'client_name':
        clientName ??= value.slice(0, maxLoggedLength);
        break;
      case 'call_site':
        callSite ??= value.slice(0, maxLoggedLength);
        break;
      case 'deadline_type':
        deadlineType ??= value;
        break;
      case 'grpc-encoding':
        compressed = value !== 'identity';
        break;
      default:
        break;
    }
  }
  if (newCorrelationId !== undefined) {
    correlation ??= headerField('x-gitlab-correlation-id', newCorrelationId());
  }
  if (correlation !== undefined) metadata.push(correlation);
  return {
    path,
    pathField,
    authorization,
    timeoutMs,
    sidechannelId,
    primaryOnly,
    partitioningHints: partitioningHints ?? noHints,
    correlationId: correlation?.value.slice(0, maxLoggedLength),
    clientName,
    callSite,
    deadlineType,
    compressed,
    refusal: refusalOf(method, contentType, malformedTimeout),
    metadata: isForwarded(path) ? metadata : noFields,
  };
}

/** The same head with another partitioning hint in the metadata that goes on, and only that one. */
export function withPartitioningHint(head: CallHead, relativePath: string): CallHead {
  const others = head.metadata.filter(({ name }) => name !== partitioningHint);
  return { ...head, metadata: [...others, headerField(partitioningHint, relativePath)] };
}

/** `application/grpc`, and maybe what the messages are encoded with. */
const grpcContentType = /^application\/grpc(?:[+;]|$)/;

function refusalOf(
  method: string,
  contentType: string,
  malformedTimeout: string | undefined,
): HttpRefusal | undefined {
  if (!grpcContentType.test(contentType)) {
    const message = `invalid gRPC request content-type ${JSON.stringify(contentType)}`;
    return { httpStatus: '415', status: { code: statusCodes.INVALID_ARGUMENT, message } };
  }
  if (malformedTimeout !== undefined) {
    const text = JSON.stringify(malformedTimeout.slice(0, maxLoggedLength));
    const message = `malformed grpc-timeout: ${text} is not one to eight digits and a unit`;
    return { httpStatus: '400', status: { code: statusCodes.INTERNAL, message } };
  }
  if (method === 'POST') return undefined;
  const message = `Received a HEADERS frame with :method ${JSON.stringify(method)} which should be POST`;
  return { httpStatus: '405', status: { code: statusCodes.INTERNAL, message } };
}

const noPathField = headerField(':path', '');
const postField = headerField(':method', 'POST');
const schemeField = headerField(':scheme', 'http');
const contentTypeField = headerField('content-type', 'application/grpc');
const trailersField = headerField('te', 'trailers');

/** The client's metadata for a call that the proxy makes in its place. */
export function upstreamMetadata(head: CallHead, virtualStorage: string): readonly HeaderField[] {
  return [...head.metadata, headerField('virtual_storage', virtualStorage)];
}

/** The request headers for a storage: the client's metadata, and the proxy's own for that storage. */
export function upstreamHeaders(options: {
  readonly head: CallHead;
  /** `:authority`. */
  readonly authority: HeaderField;
  readonly authorization: HeaderField | undefined;
  /** `virtual_storage`. */
  readonly virtualStorage: HeaderField | undefined;
  readonly timeoutMs: number | undefined;
  /** Further fields, like a transaction's. */
  readonly extra?: readonly HeaderField[];
}): readonly HeaderField[] {
  const { head, authority, authorization, virtualStorage, timeoutMs, extra = [] } = options;
  const fields = [
    postField,
    schemeField,
    head.pathField,
    authority,
    contentTypeField,
    trailersField,
  ];
  // Gitaly reads the first value, so the proxy's must be the only one.
  if (authorization !== undefined) fields.push(authorization);
  fields.push(...head.metadata);
  if (virtualStorage !== undefined) fields.push(virtualStorage);
  if (timeoutMs !== undefined) {
    fields.push(headerField('grpc-timeout', formatTimeout(timeoutMs)));
  }
  fields.push(...extra);
  return fields;
}
