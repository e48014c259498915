import type { ClusterContext } from './cluster-context.ts';
import { gitalyPaths } from './gitaly-paths.ts';
import { grpcPort, grpcTlsPort, httpPort, tlsKeys } from '../api/names.ts';

/** What one Gitaly is told. */
export interface GitalyConfigInput {
  readonly context: ClusterContext;
  /** The storage that the Gitaly has, by its own name. */
  readonly storage: string;
  /** The token that callers must sign with. */
  readonly token: string;
}

/**
 * `config.toml` of one Gitaly. There is no `[logging] dir`, so that the log goes to stdout, and the
 * only thing that differs between the storages of a cluster is the name.
 */
export function gitalyConfig({ context, storage, token }: GitalyConfigInput): string {
  const { gitaly, tls } = context.spec;
  const hasTls = tls.storageSecret !== undefined;
  return [
    ...table(undefined, {
      bin_dir: '/usr/local/bin',
      runtime_dir: gitalyPaths.runtime,
      listen_addr: `0.0.0.0:${grpcPort}`,
      ...(hasTls && { tls_listen_addr: `0.0.0.0:${grpcTlsPort}` }),
      prometheus_listen_addr: `0.0.0.0:${httpPort}`,
      graceful_restart_timeout: `${gitaly.gracefulRestartTimeoutSeconds}s`,
    }),
    ...table('[[storage]]', { name: storage, path: gitalyPaths.repositories }),
    ...table('[auth]', { token }),
    ...(hasTls ? table('[tls]', tlsTable) : []),
    ...table('[logging]', { format: 'json', level: 'info' }),
    ...table('[git]', { use_bundled_binaries: true, ignore_gitconfig: true }),
    ...table('[gitlab]', gitlabTable(context)),
  ].join('\n');
}

/**
 * Changes when, and only when, a Gitaly has to start again to take up its configuration: not with
 * the number of storages, and not with their names.
 */
export function gitalyConfigChecksum(context: ClusterContext, token: string): string {
  return context.digest(gitalyConfig({ context, storage: '', token }));
}

const tlsTable = {
  certificate_path: `${gitalyPaths.tls}/${tlsKeys.certificate}`,
  key_path: `${gitalyPaths.tls}/${tlsKeys.key}`,
};

function gitlabTable({ spec }: ClusterContext): Record<string, string> {
  if (!spec.gitlab) {
    // Gitaly does not start without both. The name never resolves (RFC 6761, section 6.4), so that a
    // push is refused.
    return { url: 'http://gitlab-is-not-configured.invalid', secret: 'not configured' };
  }
  return { url: spec.gitlab.url, secret_file: `${gitalyPaths.gitlabSecret}/secret` };
}

function table(head: string | undefined, values: Record<string, string | boolean>): string[] {
  const lines = Object.entries(values).map(([key, value]) => `${key} = ${tomlValue(value)}`);
  return [...(head === undefined ? [] : [head]), ...lines, ''];
}

/** A basic string of TOML escapes as JSON does, but for DEL, which it wants escaped as well. */
function tomlValue(value: string | boolean): string {
  return JSON.stringify(value).replaceAll('\u007F', String.raw`\u007F`);
}
