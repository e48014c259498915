import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'smol-toml';

/** What a node needs to know; see {@link parseConfig}. */
export interface NodeConfig {
  readonly listen: { readonly host: string; readonly port: number };
  /** A second address, with TLS. */
  readonly tls: NodeTls | undefined;
  /** Certificates that others with TLS have to be signed by, in PEM; default: as Node.js. */
  readonly trusted: string | undefined;
  readonly prometheusListen: { readonly host: string; readonly port: number } | undefined;
  /** The shared secret; empty admits everybody. */
  readonly token: string;
  /** Name and folder of each storage. */
  readonly storages: ReadonlyMap<string, string>;
  readonly gitlab: { readonly url: string; readonly secret: string } | undefined;
  readonly gracefulRestartTimeoutMs: number;
  /** For hooks and the like; has to be on a file system that allows to execute. */
  readonly runtimeDir: string;
  readonly gitBinary: string;
}

/** Where a node listens with TLS, and what it shows there, in PEM. */
interface NodeTls {
  readonly listen: { readonly host: string; readonly port: number };
  readonly cert: string;
  readonly key: string;
}

const defaultGraceMs = 60_000;

/**
 * Reads the keys of Gitaly's configuration that mean something here. Others are ignored, as Gitaly does.
 *
 * @throws Error naming the key if a value cannot be used, or the file if `secret_file` cannot be read
 */
export function parseConfig(toml: string): NodeConfig {
  const root = parse(toml);
  const listen = text(root, 'listen_addr');
  if (listen === undefined) throw new Error('config: listen_addr is missing');
  const prometheus = text(root, 'prometheus_listen_addr');
  const gitlab = table(root, 'gitlab');
  const url = text(gitlab, 'url');
  const grace = text(root, 'graceful_restart_timeout');
  return {
    listen: parseAddress('listen_addr', listen),
    tls: parseTls(root),
    trusted: trustedFrom(process.env['SSL_CERT_DIR']),
    prometheusListen: prometheus ? parseAddress('prometheus_listen_addr', prometheus) : undefined,
    token: text(table(root, 'auth'), 'token') ?? '',
    storages: parseStorages(root['storage']),
    gitlab: url ? { url, secret: gitlabSecret(gitlab) } : undefined,
    gracefulRestartTimeoutMs: grace === undefined ? defaultGraceMs : parseDuration(grace),
    runtimeDir: text(root, 'runtime_dir') ?? '/tmp',
    gitBinary: text(table(root, 'git'), 'bin_path') ?? 'git',
  };
}

function parseTls(root: unknown): NodeTls | undefined {
  const listen = text(root, 'tls_listen_addr');
  if (listen === undefined) return undefined;
  const tls = table(root, 'tls');
  const [cert, key] = ['certificate_path', 'key_path'].map((name) => text(tls, name));
  if (!cert || !key) throw new Error('config: [tls] needs certificate_path and key_path');
  return {
    listen: parseAddress('tls_listen_addr', listen),
    cert: readFileSync(cert, 'utf8'),
    key: readFileSync(key, 'utf8'),
  };
}

/** What Go adds to the authorities of the machine: every file in each of the folders, as far as they exist. */
function trustedFrom(folders: string | undefined): string | undefined {
  const files = (folders ?? '').split(':').flatMap((folder) => {
    if (folder === '' || !existsSync(folder)) return [];
    return readdirSync(folder).map((name) => join(folder, name));
  });
  const pem = files
    .filter((file) => statSync(file).isFile())
    .map((file) => readFileSync(file, 'utf8'));
  return pem.length > 0 ? pem.join('\n') : undefined;
}

/** The secret itself, or from its file; as Gitaly does, without white space around it. */
function gitlabSecret(gitlab: unknown): string {
  const file = text(gitlab, 'secret_file');
  const secret = text(gitlab, 'secret') ?? (file === undefined ? '' : readFileSync(file, 'utf8'));
  return secret.trim();
}

/** Milliseconds of a duration in Go's form, like `1m30s` or `500ms`. */
function parseDuration(duration: string): number {
  const units: Readonly<Record<string, number>> = {
    h: 3_600_000,
    m: 60_000,
    s: 1_000,
    ms: 1,
    us: 1e-3,
    ns: 1e-6,
  };
  const parts = [...duration.matchAll(/(\d+(?:\.\d+)?)(h|ms|us|ns|m|s)/g)];
  const read = parts.map(([part]) => part).join('');
  if (parts.length === 0 || read !== duration) {
    throw new Error(`config: ${JSON.stringify(duration)} is no duration; write it like "1m30s"`);
  }
  return parts.reduce((sum, [, count, unit]) => sum + Number(count) * (units[unit ?? ''] ?? 0), 0);
}

function parseStorages(value: unknown): ReadonlyMap<string, string> {
  const storages = new Map<string, string>();
  for (const entry of Array.isArray(value) ? (value as unknown[]) : []) {
    const name = text(entry, 'name');
    const path = text(entry, 'path');
    if (!name || !path) throw new Error('config: each [[storage]] needs name and path');
    storages.set(name, path.replace(/\/+$/, ''));
  }
  if (storages.size === 0) throw new Error('config: no [[storage]]');
  return storages;
}

/** Reads `host:port` or `tcp://host:port`; no host means all. `key` names it in errors. */
export function parseAddress(key: string, address: string): { host: string; port: number } {
  const match = /^(?:tcp:\/\/)?(.*):(\d+)$/.exec(address);
  const host = match?.[1]?.replace(/^\[(.*)\]$/, '$1');
  if (host === undefined) throw new Error(`config: ${key} has to be host:port`);
  return { host: host === '' ? '0.0.0.0' : host, port: Number(match?.[2]) };
}

function table(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null
    ? (value as Record<string, unknown>)[key]
    : undefined;
}

function text(value: unknown, key: string): string | undefined {
  const found = table(value, key);
  return typeof found === 'string' ? found : undefined;
}
