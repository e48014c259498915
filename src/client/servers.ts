import { isIPv4, isIPv6 } from 'node:net';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import { Scope, type Stoppable } from '../base/scope.ts';
import type { Transport } from '../proxy/wire/transport.ts';
import { formatHostAndPort, type Address } from '../rpc/address.ts';
import {
  channelCredentials,
  openChannelTo,
  openRpcChannel,
  type RpcCaller,
  type RpcChannel,
  type TlsOptions,
} from '../rpc/channel.ts';
import { BalancedCaller } from './balanced-caller.ts';
import { dial } from './dialer.ts';
import { Discovery, type Lookup } from './discovery.ts';
import { serviceConfig } from './reads.ts';

export interface ServersOptions {
  /** What people call the servers: the address as it was given. */
  readonly name: string;
  readonly secret: () => string;
  readonly tls: TlsOptions;
  readonly deadlineMs: number;
  readonly connectLimitMs: number;
  readonly lookupIntervalMs: number;
  readonly lookup: Lookup;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: Random;
}

/** The servers behind an address. */
export interface Servers extends Stoppable {
  /** Makes calls, spread over all of them. */
  readonly caller: RpcCaller;
  /** Their name for HTTP/2. */
  readonly authority: string;
  /**
   * Connects to one of them, which is another one each time.
   *
   * @throws RpcError UNAVAILABLE if none answers
   */
  connect(signal?: AbortSignal): Promise<Transport>;
}

/** Finds the servers behind `address`, and keeps finding them if it is a name with many. */
export function openServers(address: Address, options: ServersOptions): Servers {
  return address.kind === 'dns' ? openMany(address, options) : openOne(address, options);
}

function openOne(address: Exclude<Address, DnsAddress>, options: ServersOptions): Servers {
  const { name, clock, connectLimitMs, tls } = options;
  const caller = new BalancedCaller({
    name,
    clock,
    connectLimitMs,
    refresh: () => Promise.resolve(),
  });
  caller.use(() => openRpcChannel({ ...channelOptions(options), address: name }));
  return {
    caller,
    authority: authorityOf(address),
    connect: (signal) =>
      dial({
        addresses: [address],
        name,
        tls,
        limitMs: connectLimitMs,
        clock,
        ...(signal === undefined ? {} : { signal }),
      }),
    stop: () => caller.stop(),
  };
}

type DnsAddress = Extract<Address, { kind: 'dns' }>;

function openMany(address: DnsAddress, options: ServersOptions): Servers {
  const { name, clock, random, logger, lookup, lookupIntervalMs, connectLimitMs, tls } = options;
  const scope = new Scope();
  const discovery: Discovery = scope.own(
    new Discovery({
      host: address.host,
      lookup,
      onChange: (addresses) => caller.use(() => openChannelToAll(addresses, address, options)),
      clock,
      random,
      logger,
      intervalMs: lookupIntervalMs,
    }),
  );
  const refresh = () => discovery.refresh();
  const caller = scope.own(new BalancedCaller({ name, clock, connectLimitMs, refresh }));
  void refresh();
  let turn = Math.floor(random.next() * 1000);
  return {
    caller,
    authority: authorityOf(address),
    async connect(signal) {
      if (discovery.addresses.length === 0) await refresh();
      turn += 1;
      return dial({
        addresses: rotate(discovery.addresses, turn).map((host) => withHost(address, host)),
        name,
        serverName: address.host,
        tls,
        limitMs: connectLimitMs,
        clock,
        ...(signal === undefined ? {} : { signal }),
      });
    },
    stop: () => scope.stop(),
  };
}

function channelOptions({ clock, secret, tls, deadlineMs }: ServersOptions) {
  const settings = { 'grpc.service_config': serviceConfig() };
  return { clock, secret, tls, deadlineMs, settings };
}

/** Certificates are checked against the name that was looked up. */
function openChannelToAll(
  addresses: readonly string[],
  address: DnsAddress,
  options: ServersOptions,
): RpcChannel {
  const { settings, ...rest } = channelOptions(options);
  return openChannelTo(
    ipTarget(addresses, address.port),
    channelCredentials(address, options.tls),
    {
      ...rest,
      settings: {
        ...settings,
        'grpc.default_authority': authorityOf(address),
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

function withHost({ port, tls }: DnsAddress, host: string): Address {
  return { kind: 'tcp', host, port, tls };
}

/** gRPC servers do not look at it; a socket has no name. */
function authorityOf(address: Address): string {
  return address.kind === 'unix' ? 'localhost' : formatHostAndPort(address.host, address.port);
}

function rotate<T>(items: readonly T[], by: number): readonly T[] {
  const start = items.length === 0 ? 0 : by % items.length;
  return [...items.slice(start), ...items.slice(0, start)];
}
