import { lookup as systemLookup } from 'node:dns/promises';
import { systemClock, type Clock } from '../base/clock.ts';
import { silentLogger, type Logger } from '../base/logger.ts';
import { systemRandom, type Random } from '../base/random.ts';
import type { Stoppable } from '../base/scope.ts';
import { BlobService } from '../gen/gitaly/blob_pb.ts';
import { CommitService } from '../gen/gitaly/commit_pb.ts';
import { ObjectPoolService } from '../gen/gitaly/objectpool_pb.ts';
import { OperationService } from '../gen/gitaly/operations_pb.ts';
import { PraefectInfoService } from '../gen/gitaly/praefect_pb.ts';
import { RefService } from '../gen/gitaly/ref_pb.ts';
import { RepositoryService } from '../gen/gitaly/repository_pb.ts';
import { ServerService } from '../gen/gitaly/server_pb.ts';
import { SmartHTTPService } from '../gen/gitaly/smarthttp_pb.ts';
import { SSHService } from '../gen/gitaly/ssh_pb.ts';
import { AdminService } from '../gen/gitaly_operator/v1/admin_pb.ts';
import { parseAddress } from '../rpc/address.ts';
import type { TlsOptions } from '../rpc/channel.ts';
import { createRpcClient, type RpcClient } from '../rpc/client.ts';
import { authorizationHeader } from '../rpc/token.ts';
import type { Lookup } from './discovery.ts';
import type { GitRequest, GitStreams } from './git-streams.ts';
import { receivePack, type ReceivePackRequest } from './receive-pack.ts';
import { openServers, type Servers, type ServersOptions } from './servers.ts';
import { uploadPack } from './upload-pack.ts';

export interface GitalyClientOptions {
  /**
   * `dns:///host:port` for all the proxies behind a headless service, `dns+tls:///host:port` the same
   * with TLS; `tcp://host:port`, `tls://host:port` or `unix:/path` for a single server.
   */
  readonly address: string;
  /** The secret that tokens are signed with, or where to get it for each call. */
  readonly token: string | (() => string);
  readonly tls?: TlsOptions;
  /** For calls that name none. Default 10 s. */
  readonly deadlineMs?: number;
  /** How long a call waits for a connection. Default 3 s. */
  readonly connectLimitMs?: number;
  /** How often names are looked up again. Default 10 s. */
  readonly lookupIntervalMs?: number;
  /** Default: what the machine uses for names. */
  readonly lookup?: Lookup;
  readonly logger?: Logger;
  readonly clock?: Clock;
  readonly random?: Random;
}

/** Everything that the proxies serve, typed. */
export interface GitalyClient extends Stoppable {
  readonly repository: RpcClient<typeof RepositoryService>;
  readonly ref: RpcClient<typeof RefService>;
  readonly commit: RpcClient<typeof CommitService>;
  readonly blob: RpcClient<typeof BlobService>;
  readonly operation: RpcClient<typeof OperationService>;
  readonly objectPool: RpcClient<typeof ObjectPoolService>;
  readonly smartHttp: RpcClient<typeof SmartHTTPService>;
  readonly ssh: RpcClient<typeof SSHService>;
  readonly server: RpcClient<typeof ServerService>;
  readonly praefectInfo: RpcClient<typeof PraefectInfoService>;
  readonly admin: RpcClient<typeof AdminService>;
  /** Runs git's transports; see {@link uploadPack} and {@link receivePack}. */
  readonly git: GitTransports;
}

/** What serves `git fetch`, `git clone` and `git push`. Both resolve with git's exit code. */
export interface GitTransports {
  uploadPack(request: GitRequest, streams: GitStreams, signal?: AbortSignal): Promise<number>;
  receivePack(
    request: ReceivePackRequest,
    streams: GitStreams,
    signal?: AbortSignal,
  ): Promise<number>;
}

/**
 * A client of the proxies, or of a single Gitaly.
 *
 * Calls are spread over all addresses. Reads that end UNAVAILABLE are tried again elsewhere for 2 to
 * 3 seconds; writes only if no server can have seen them. What still fails rejects with an RpcError.
 * Connects when first used. Its `stop` cuts what is under way.
 *
 * @throws Error if the address has none of the known forms
 */
export function createGitalyClient(options: GitalyClientOptions): GitalyClient {
  const parsed = parseAddress(options.address);
  if (parsed.kind === 'invalid') throw new Error(parsed.message);
  const servers = openServers(parsed.address, serversOptions(options));
  const { caller } = servers;
  const ssh = createRpcClient(SSHService, caller);
  return {
    repository: createRpcClient(RepositoryService, caller),
    ref: createRpcClient(RefService, caller),
    commit: createRpcClient(CommitService, caller),
    blob: createRpcClient(BlobService, caller),
    operation: createRpcClient(OperationService, caller),
    objectPool: createRpcClient(ObjectPoolService, caller),
    smartHttp: createRpcClient(SmartHTTPService, caller),
    ssh,
    server: createRpcClient(ServerService, caller),
    praefectInfo: createRpcClient(PraefectInfoService, caller),
    admin: createRpcClient(AdminService, caller),
    git: gitTransports(servers, ssh, options),
    stop: () => servers.stop(),
  };
}

function serversOptions(options: GitalyClientOptions): ServersOptions {
  return {
    name: options.address,
    secret: secretOf(options),
    tls: options.tls ?? {},
    deadlineMs: options.deadlineMs ?? 10_000,
    connectLimitMs: options.connectLimitMs ?? 3000,
    lookupIntervalMs: options.lookupIntervalMs ?? 10_000,
    lookup: options.lookup ?? lookupAll,
    logger: options.logger ?? silentLogger,
    clock: options.clock ?? systemClock,
    random: options.random ?? systemRandom,
  };
}

function gitTransports(
  servers: Servers,
  ssh: RpcClient<typeof SSHService>,
  options: GitalyClientOptions,
): GitTransports {
  const { clock = systemClock, random = systemRandom } = options;
  const secret = secretOf(options);
  return {
    uploadPack: (request, streams, signal) =>
      uploadPack(request, streams, {
        connect: () => servers.connect(signal),
        authority: servers.authority,
        authorization: () => authorizationHeader(secret(), clock.wallMs()),
        clock,
        random,
        ...(signal === undefined ? {} : { signal }),
      }),
    receivePack: (request, streams, signal) => receivePack(ssh, request, streams, signal),
  };
}

function secretOf({ token }: GitalyClientOptions): () => string {
  return typeof token === 'string' ? () => token : token;
}

async function lookupAll(host: string): Promise<readonly string[]> {
  const found = await systemLookup(host, { all: true });
  return found.map(({ address }) => address);
}
