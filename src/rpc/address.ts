/** Where a peer listens. */
export type Address =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number; readonly tls: boolean }
  | { readonly kind: 'dns'; readonly host: string; readonly port: number; readonly tls: boolean }
  | { readonly kind: 'unix'; readonly path: string };

/** What came of {@link parseAddress}; `message` says which forms are allowed. */
export type ParsedAddress =
  | { readonly kind: 'valid'; readonly address: Address }
  | { readonly kind: 'invalid'; readonly message: string };

const forms =
  'tcp://host:port, tls://host:port, dns:///host:port, dns+tls:///host:port or unix:/path';

/**
 * Reads an address in one of the forms that clients of Gitaly use.
 *
 * `tcp://host:port` and `tls://host:port` are one server; `dns:///host:port` (also `dns:host:port`)
 * and `dns+tls:///host:port` stand for every address that the name has, `unix:/path` for a socket.
 * IPv6 hosts stand in brackets. A name server between the slashes of `dns://` is refused.
 */
export function parseAddress(text: string): ParsedAddress {
  const unix = /^unix:(?:\/\/)?(\/.+)$/.exec(text);
  if (unix?.[1] !== undefined) return { kind: 'valid', address: { kind: 'unix', path: unix[1] } };
  const match = /^(tcp:\/\/|tls:\/\/|dns:(?:\/\/\/)?|dns\+tls:(?:\/\/\/)?)([^/]+)$/.exec(text);
  const [, scheme = '', authority = ''] = match ?? [];
  const hostAndPort = splitHostAndPort(authority);
  if (hostAndPort === undefined) {
    return { kind: 'invalid', message: `${JSON.stringify(text)} is no address: use ${forms}` };
  }
  return {
    kind: 'valid',
    address: {
      kind: scheme.startsWith('dns') ? 'dns' : 'tcp',
      ...hostAndPort,
      tls: scheme.includes('tls'),
    },
  };
}

/** The text that {@link parseAddress} reads as `address`. */
export function formatAddress(address: Address): string {
  if (address.kind === 'unix') return `unix:${address.path}`;
  const { kind, host, port, tls } = address;
  const scheme = kind === 'dns' ? `dns${tls ? '+tls' : ''}:///` : `${tls ? 'tls' : 'tcp'}://`;
  return scheme + formatHostAndPort(host, port);
}

/** `host:port`, with brackets around the host if it is an IPv6 address. */
export function formatHostAndPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function splitHostAndPort(text: string): { host: string; port: number } | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:/?#@[\]]+)):([0-9]{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  return host !== undefined && port >= 1 && port <= 65_535 ? { host, port } : undefined;
}
