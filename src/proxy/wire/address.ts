/** Where a peer listens. */
export type Address =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number; readonly tls: boolean }
  | { readonly kind: 'dns'; readonly host: string; readonly port: number; readonly tls: boolean }
  | { readonly kind: 'unix'; readonly path: string };

/** What came of {@link parseAddress}; `message` says what is wrong and what is allowed. */
export type ParsedAddress =
  | { readonly kind: 'valid'; readonly address: Address }
  | { readonly kind: 'invalid'; readonly message: string };

/** Scheme, whether TLS is spoken, and whether the name stands for all of its addresses. */
const schemes = [
  { prefix: 'tcp://', kind: 'tcp', tls: false },
  { prefix: 'tls://', kind: 'tcp', tls: true },
  { prefix: 'dns:///', kind: 'dns', tls: false },
  { prefix: 'dns:', kind: 'dns', tls: false },
  { prefix: 'dns+tls:///', kind: 'dns', tls: true },
  { prefix: 'dns+tls:', kind: 'dns', tls: true },
] as const;

/**
 * Reads an address as Gitaly's configuration has it: `tcp://host:port`, `tls://host:port`,
 * `unix:/path`, `dns:host:port`, `dns:///host:port`, and `dns+tls:` likewise. IPv6 hosts stand in
 * brackets. A name server of its own (`dns://server/host`) is not supported.
 */
export function parseAddress(text: string): ParsedAddress {
  if (text.startsWith('unix:')) return parseUnix(text);
  const scheme = schemes.find(({ prefix }) => text.startsWith(prefix));
  if (scheme === undefined) {
    return invalid(text, 'it has none of the schemes tcp://, tls://, unix:, dns: and dns+tls:');
  }
  const rest = text.slice(scheme.prefix.length);
  if (rest.startsWith('//')) {
    return invalid(text, `a name server is not supported: use ${scheme.prefix}///host:port`);
  }
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:/?#@[\]]+)):([0-9]{1,5})$/.exec(rest);
  const host = match?.[1] ?? match?.[2];
  if (host === undefined) {
    return invalid(text, `what follows ${scheme.prefix} has to be host:port, IPv6 in brackets`);
  }
  const port = Number(match?.[3]);
  if (port < 1 || port > 65_535) return invalid(text, 'the port has to be from 1 to 65535');
  return { kind: 'valid', address: { kind: scheme.kind, host, port, tls: scheme.tls } };
}

/** The text that {@link parseAddress} reads as `address`. */
export function formatAddress(address: Address): string {
  if (address.kind === 'unix') return `unix:${address.path}`;
  const { kind, tls, port } = address;
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  if (kind === 'dns') return `${tls ? 'dns+tls' : 'dns'}:///${host}:${port}`;
  return `${tls ? 'tls' : 'tcp'}://${host}:${port}`;
}

function parseUnix(text: string): ParsedAddress {
  const path = /^unix:(?:\/\/)?(\/.+)$/.exec(text)?.[1];
  if (path === undefined) return invalid(text, 'unix: is followed by an absolute path');
  return { kind: 'valid', address: { kind: 'unix', path } };
}

function invalid(text: string, problem: string): ParsedAddress {
  return { kind: 'invalid', message: `${JSON.stringify(text)} is not an address: ${problem}` };
}
