import { lookup as systemLookup } from 'node:dns/promises';
import { isIPv4, isIPv6 } from 'node:net';
import { systemClock, type Clock } from '../base/clock.ts';
import { silentLogger, type Logger } from '../base/logger.ts';
import { systemRandom, type Random } from '../base/random.ts';
import { Scope, type Stoppable } from '../base/scope.ts';
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
import { formatHostAndPort, parseAddress, type Address } from '../rpc/address.ts';
import {
  channelCredentials,
  openChannelTo,
  openRpcChannel,
  type RpcChannel,
  type TlsOptions,
} from '../rpc/channel.ts';
import { createRpcClient, type RpcClient } from '../rpc/client.ts';
import { BalancedCaller } from './balanced-caller.ts';
import { Discovery, type Lookup } from './discovery.ts';
import { serviceConfig } from './reads.ts';

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
  const scope = new Scope();
  const caller = openCaller(parsed.address, options, scope);
  return {
    repository: createRpcClient(RepositoryService, caller),
    ref: createRpcClient(RefService, caller),
    commit: createRpcClient(CommitService, caller),
    blob: createRpcClient(BlobService, caller),
    operation: createRpcClient(OperationService, caller),
    objectPool: createRpcClient(ObjectPoolService, caller),
    smartHttp: createRpcClient(SmartHTTPService, caller),
    ssh: createRpcClient(SSHService, caller),
    server: createRpcClient(ServerService, caller),
    praefectInfo: createRpcClient(PraefectInfoService, caller),
    admin: createRpcClient(AdminService, caller),
    stop: () => scope.stop(),
  };
}

function openCaller(address: Address, options: GitalyClientOptions, scope: Scope): BalancedCaller {
  const { clock = systemClock, random = systemRandom, logger = silentLogger } = options;
  const name = options.address;
  if (address.kind !== 'dns') {
    const caller = scope.own(
      new BalancedCaller({ ...options, name, clock, refresh: () => Promise.resolve() }),
    );
    caller.use(openRpcChannel(channelOptions(options, clock)));
    return caller;
  }
  const discovery: Discovery = scope.own(
    new Discovery({
      host: address.host,
      lookup: options.lookup ?? lookupAll,
      onChange: (addresses) => caller.use(openChannelToAll(addresses, address, options, clock)),
      clock,
      random,
      logger,
      ...(options.lookupIntervalMs === undefined ? {} : { intervalMs: options.lookupIntervalMs }),
    }),
  );
  const caller = scope.own(
    new BalancedCaller({ ...options, name, clock, refresh: () => discovery.refresh() }),
  );
  void discovery.refresh();
  return caller;
}

function channelOptions(options: GitalyClientOptions, clock: Clock) {
  const { address, tls, token, deadlineMs } = options;
  return {
    address,
    clock,
    secret: typeof token === 'string' ? () => token : token,
    settings: { 'grpc.service_config': serviceConfig() },
    ...(tls === undefined ? {} : { tls }),
    ...(deadlineMs === undefined ? {} : { deadlineMs }),
  };
}

type DnsAddress = Extract<Address, { kind: 'dns' }>;

/** Certificates are checked against the name that was looked up. */
function openChannelToAll(
  addresses: readonly string[],
  address: DnsAddress,
  options: GitalyClientOptions,
  clock: Clock,
): RpcChannel {
  const { settings, ...rest } = channelOptions(options, clock);
  return openChannelTo(
    ipTarget(addresses, address.port),
    channelCredentials(address, options.tls),
    {
      ...rest,
      settings: {
        ...settings,
        'grpc.default_authority': formatHostAndPort(address.host, address.port),
        ...(address.tls ? { 'grpc.ssl_target_name_override': address.host } : {}),
      },
    },
  );
}

/** A target of grpc-js holds one family; a server with both is reached over IPv4. */
function ipTarget(addresses: readonly string[], port: number): string {
  const ipv4 = addresses.filter((address) => isIPv4(address));
  const family = ipv4.length > 0 ? ipv4 : addresses.filter((address) => isIPv6(address));
  const list = family.map((address) => formatHostAndPort(address, port)).join(',');
  return ipv4.length > 0 ? `ipv4:${list}` : `ipv6:${list}`;
}

async function lookupAll(host: string): Promise<readonly string[]> {
  const found = await systemLookup(host, { all: true });
  return found.map(({ address }) => address);
}
