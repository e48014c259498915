import type { ProxyConfig } from '../api/proxy-config.ts';
import type { GrpcAddress } from '../proxy/relay/grpc-listener.ts';
import type { Endpoint } from '../proxy/wire/bind-server.ts';
import type { ServerTls } from '../proxy/wire/socket-transport.ts';

/** What of the configuration says where clients find the proxy. */
export type GrpcListenConfig = Pick<
  ProxyConfig,
  'grpcListen' | 'grpcTlsListen' | 'grpcSocket' | 'grpcSocketMode'
>;

/**
 * Where clients find the proxy.
 *
 * @throws Error that says what is missing, or which form to write
 */
export function grpcAddresses(
  config: GrpcListenConfig,
  certificate: (() => ServerTls) | undefined,
): readonly GrpcAddress[] {
  return grpcEndpoints(config).map(({ kind, endpoint }): GrpcAddress => {
    if (kind !== 'tls') return { kind, endpoint };
    if (certificate !== undefined) return { kind, endpoint, tls: certificate };
    throw new Error('grpcTlsListen needs a certificate: name tls.certificateFile and tls.keyFile');
  });
}

/**
 * The same, in the same order, for a process that needs no certificate.
 *
 * @throws Error that says what is missing, or which form to write
 */
export function grpcEndpoints(
  config: GrpcListenConfig,
): readonly Pick<GrpcAddress, 'kind' | 'endpoint'>[] {
  const { grpcListen, grpcTlsListen, grpcSocket, grpcSocketMode } = config;
  const found: Pick<GrpcAddress, 'kind' | 'endpoint'>[] = [];
  if (grpcListen !== undefined) {
    found.push({ kind: 'tcp', endpoint: readHostAndPort(grpcListen) });
  }
  if (grpcTlsListen !== undefined) {
    found.push({ kind: 'tls', endpoint: readHostAndPort(grpcTlsListen) });
  }
  if (grpcSocket !== undefined) {
    found.push({ kind: 'unix', endpoint: readSocketPath(grpcSocket, grpcSocketMode) });
  }
  if (found.length > 0) return found;
  throw new Error('clients cannot reach the proxy: set grpcListen, grpcTlsListen or grpcSocket');
}

/** The ports that were bound for `addresses`, in that order; 0 for a kind that is not among them. */
export function portsByKind(
  addresses: readonly Pick<GrpcAddress, 'kind'>[],
  ports: readonly number[],
): { readonly grpcPort: number; readonly grpcTlsPort: number } {
  const portOf = (kind: GrpcAddress['kind']) =>
    ports[addresses.findIndex((address) => address.kind === kind)] ?? 0;
  return { grpcPort: portOf('tcp'), grpcTlsPort: portOf('tls') };
}

/**
 * Reads `host:port`, where port 0 stands for any free one and an IPv6 address is in brackets.
 *
 * @throws Error with the form to write
 */
export function readHostAndPort(text: string): { readonly host: string; readonly port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  if (host !== undefined) return { host, port: Number(match?.[3]) };
  throw new Error(`"${text}" is no listen address: use host:port, like 0.0.0.0:8075`);
}

/**
 * Reads `unix:/path`, and the mode of the socket's file in octal digits, like `0660`.
 *
 * @throws Error with the form to write
 */
function readSocketPath(text: string, mode: string | undefined): Endpoint {
  const path = /^unix:(?:\/\/)?(\/.+)$/.exec(text)?.[1];
  if (path === undefined) throw new Error(`"${text}" is no unix socket: use unix:/path`);
  if (mode === undefined) return { path };
  if (!/^0?[0-7]{3}$/.test(mode)) {
    throw new Error(`"${mode}" is no mode of a file: use three octal digits, like 0660`);
  }
  return { path, mode: Number.parseInt(mode, 8) };
}
