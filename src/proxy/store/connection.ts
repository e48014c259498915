import type { ClientConfig } from 'pg';

/**
 * Where the database is and how to log in, in the words of CloudNativePG's secrets. A `uri` may
 * carry `sslmode` and `sslrootcert`; `require` and more verify the server's certificate, as
 * `verify-full` does. Either form reaches the server directly or through a pooler in session mode:
 * LISTEN and prepared statements need a session. Never logged.
 */
export type PostgresConnection =
  | { readonly uri: string }
  | {
      /** A name, an address, or the folder of a Unix socket. */
      readonly host: string;
      readonly port: number;
      readonly dbname: string;
      readonly username: string;
      readonly password: string;
    };

/**
 * A connection, or what gives the current one: it is asked whenever a connection is made, so that
 * credentials can be rotated.
 */
export type ConnectionSource = PostgresConnection | (() => PostgresConnection);

/** How long the database may take. */
export interface PostgresLimits {
  /** For a connection to be made. Default 2 s. */
  readonly connectMs?: number;
  /** For a call of the store, with everything that it takes. Default 2 s. */
  readonly callMs?: number;
  /**
   * The listening connection is probed after this long, and lost if the answer then takes longer
   * than `callMs`. Default 1 s.
   */
  readonly probeIntervalMs?: number;
  /** For a list of all in-sync sets, with what its reader takes. Default 30 s. */
  readonly listMs?: number;
}

export const defaultLimits: Required<PostgresLimits> = {
  connectMs: 2000,
  callMs: 2000,
  probeIntervalMs: 1000,
  listMs: 30_000,
};

/**
 * What `pg` needs to know to connect.
 *
 * @throws Error if the URI cannot be read; its text is not in the message, since it holds a password
 */
export function clientConfig(
  source: ConnectionSource,
  limits: Required<PostgresLimits>,
): ClientConfig {
  return {
    ...coordinates(typeof source === 'function' ? source() : source),
    connectionTimeoutMillis: limits.connectMs,
    query_timeout: limits.callMs,
    // So that the server does not go on with what nobody waits for any more.
    statement_timeout: limits.callMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    fallback_application_name: 'gitaly-proxy',
  };
}

function coordinates(connection: PostgresConnection): ClientConfig {
  if (!('uri' in connection)) {
    const { host, port, dbname, username, password } = connection;
    return { host, port, database: dbname, user: username, password };
  }
  if (!URL.canParse(connection.uri) || !/^postgres(ql)?:/.test(connection.uri)) {
    const form = 'postgresql://user:password@host:port/database';
    throw new Error(`the database's URI is not ${form} with special characters percent-encoded`);
  }
  return { connectionString: connection.uri };
}
