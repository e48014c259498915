import type { PostgresConnection } from '../proxy/store/connection.ts';

/** PostgreSQL's own port. */
const defaultPort = 5432;

/**
 * The database's coordinates from the keys of a Secret, as CloudNativePG writes them: `uri`, or
 * `host`, `port`, `dbname`, `username` (or `user`) and `password`.
 *
 * @throws Error that names the missing keys, and no values
 */
export function databaseConnection(secret: ReadonlyMap<string, string>): PostgresConnection {
  const uri = secret.get('uri');
  if (uri !== undefined && uri !== '') return { uri };
  const missing: string[] = [];
  const required = (...names: string[]) => {
    for (const name of names) {
      const value = secret.get(name);
      if (value !== undefined && value !== '') return value;
    }
    missing.push(names.join(' or '));
    return '';
  };
  const port = Number(secret.get('port') ?? defaultPort);
  const connection = {
    host: required('host'),
    port,
    dbname: required('dbname'),
    username: required('username', 'user'),
    password: required('password'),
  };
  if (missing.length > 0) {
    throw new Error(`the database's secret needs either uri or also ${missing.join(', ')}`);
  }
  if (!Number.isInteger(port)) throw new Error("the database's secret has no number as port");
  return connection;
}
