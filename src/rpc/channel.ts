import {
  create,
  fromBinary,
  toBinary,
  type DescMessage,
  type DescMethod,
  type MessageInitShape,
  type MessageShape,
} from '@bufbuild/protobuf';
import {
  Client,
  connectivityState,
  credentials,
  Metadata,
  type ChannelCredentials,
  type ClientOptions,
} from '@grpc/grpc-js';
import type { Clock } from '../base/clock.ts';
import type { Stoppable } from '../base/scope.ts';
import { formatHostAndPort, parseAddress, type Address } from './address.ts';
import { mendGrpcJs } from './grpc-js-mends.ts';
import { RpcError } from './rpc-error.ts';
import { statusCodes } from './status.ts';
import { openStream, type RpcStream } from './stream.ts';
import { authorizationHeader } from './token.ts';

/** What a call may say about itself. */
export interface CallOptions {
  /** How long the call may take. Infinity means as long as it takes. Default: the channel's. */
  readonly deadlineMs?: number;
  /** Cancels the call. */
  readonly signal?: AbortSignal;
  /** Metadata to send along. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** A method with the types of its messages. */
export type TypedMethod<I extends DescMessage, O extends DescMessage> = DescMethod & {
  readonly input: I;
  readonly output: O;
};

/** Whatever can make a call: one connection, or many with a choice between them. */
export interface RpcCaller {
  /** Starts a call of any kind. It may still wait for a connection when the promise resolves. */
  open<I extends DescMessage, O extends DescMessage>(
    method: TypedMethod<I, O>,
    options?: CallOptions,
  ): Promise<RpcStream<MessageInitShape<I>, MessageShape<O>>>;
}

/** A connection to a server, or to the servers behind a name. Connects when it is first used. */
export interface RpcChannel extends RpcCaller, Stoppable {
  /** Connects, and resolves with whether that worked within `limitMs`. Never rejects. */
  ready(limitMs: number): Promise<boolean>;
}

/** What TLS is to use; what is left out comes from the machine. PEM texts. */
export interface TlsOptions {
  readonly ca?: string;
  readonly certificate?: string;
  readonly key?: string;
}

export interface RpcChannelOptions {
  readonly clock: Clock;
  /** See {@link parseAddress}. Calls are spread over all the addresses that a `dns:` name has. */
  readonly address: string;
  readonly tls?: TlsOptions;
  /** The secret to sign a token with, asked for at each call so that it can be rotated. */
  readonly secret?: () => string;
  /** For calls that name none. Default 10 s. */
  readonly deadlineMs?: number;
  /** Settings of grpc-js that differ from {@link defaultSettings}. */
  readonly settings?: ClientOptions;
}

/**
 * Pings find a dead peer within 17 s; Gitaly closes connections that ping more often than every
 * 10 s. Reconnects are quick, because a proxy that restarts is back in seconds. Each channel makes
 * connections of its own: in the shared pool a new one would wait for the same attempt as the others,
 * which grpc-js never gives up by itself (its only limit is the kernel's, of two minutes).
 */
const defaultSettings: ClientOptions = {
  'grpc.keepalive_time_ms': 12_000,
  'grpc.keepalive_timeout_ms': 5000,
  'grpc.keepalive_permit_without_calls': 1,
  'grpc.initial_reconnect_backoff_ms': 200,
  'grpc.max_reconnect_backoff_ms': 3000,
  'grpc.use_local_subchannel_pool': 1,
  'grpc.enable_http_proxy': 0,
  'grpc.service_config_disable_resolution': 1,
  'grpc.primary_user_agent': 'gitaly-ha',
};

/** @throws Error if the address has none of the known forms */
export function openRpcChannel(options: RpcChannelOptions): RpcChannel {
  const parsed = parseAddress(options.address);
  if (parsed.kind === 'invalid') throw new Error(parsed.message);
  return openChannelTo(targetOf(parsed.address), channelCredentials(parsed.address, options.tls), {
    ...options,
    settings: { ...settingsOf(parsed.address), ...options.settings },
  });
}

/** A channel to a target in the notation of grpc-js. */
export function openChannelTo(
  target: string,
  channelCredentials: ChannelCredentials,
  options: Omit<RpcChannelOptions, 'address' | 'tls'>,
): RpcChannel {
  const { clock, secret, deadlineMs: defaultDeadlineMs = 10_000 } = options;
  mendGrpcJs();
  const client = new Client(target, channelCredentials, {
    ...defaultSettings,
    ...options.settings,
  });
  let isStopped = false;

  return {
    async open(method, callOptions = {}) {
      const { deadlineMs = defaultDeadlineMs, signal } = callOptions;
      if (signal?.aborted) throw new RpcError(statusCodes.CANCELLED, 'cancelled by the caller');
      const metadata = new Metadata();
      for (const [key, value] of Object.entries(callOptions.metadata ?? {})) {
        metadata.set(key, value);
      }
      if (secret !== undefined) {
        metadata.set('authorization', authorizationHeader(secret(), clock.wallMs()));
      }
      const call = client.makeBidiStreamRequest(
        `/${method.parent.typeName}/${method.name}`,
        serializer(method.input),
        (bytes: Buffer) => fromBinary(method.output, bytes),
        metadata,
        Number.isFinite(deadlineMs) ? { deadline: clock.wallMs() + deadlineMs } : {},
      );
      return openStream(call, signal);
    },

    ready(limitMs) {
      const endMs = clock.wallMs() + limitMs;
      const channel = client.getChannel();
      return new Promise((resolve) => {
        const check = () => {
          // To ask a closed channel for its state would make it connect again, for ever.
          const state = isStopped ? undefined : channel.getConnectivityState(true);
          if (state === undefined || state === connectivityState.READY) {
            resolve(state !== undefined);
            return;
          }
          channel.watchConnectivityState(state, endMs, (error) => {
            if (error === undefined) check();
            else resolve(false);
          });
        };
        check();
      });
    },

    stop() {
      isStopped = true;
      client.close();
      return Promise.resolve();
    },
  };
}

/** What grpc-js needs to speak to `address`. */
export function channelCredentials(address: Address, tls: TlsOptions = {}): ChannelCredentials {
  if (address.kind === 'unix' || !address.tls) return credentials.createInsecure();
  const { ca, certificate, key } = tls;
  return credentials.createSsl(pem(ca), pem(key), pem(certificate));
}

function pem(text: string | undefined): Buffer | null {
  return text === undefined ? null : Buffer.from(text);
}

function targetOf(address: Address): string {
  if (address.kind === 'unix') return `unix:${address.path}`;
  return `dns:///${formatHostAndPort(address.host, address.port)}`;
}

function settingsOf(address: Address): ClientOptions {
  if (address.kind !== 'dns') return {};
  return {
    'grpc.service_config': JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] }),
    'grpc.dns_min_time_between_resolutions_ms': 1000,
  };
}

function serializer<I extends DescMessage>(schema: I): (init: MessageInitShape<I>) => Buffer {
  return (init) => {
    const bytes = toBinary(schema, create(schema, init));
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };
}
