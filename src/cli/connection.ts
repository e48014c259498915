import { readFileSync } from 'node:fs';
import { errorMessage } from '../base/errors.ts';
import type { TlsOptions } from '../rpc/channel.ts';
import { CliError } from './cli-error.ts';

/** The environment of the process, or one made up for a test. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** What the command line says about the server; what it leaves out comes from the environment. */
export interface ConnectionFlags {
  readonly address?: string;
  readonly tokenFile?: string;
  readonly caFile?: string;
}

/** Where to connect to, and with what. */
export interface Connection {
  readonly address: string;
  readonly token: string;
  readonly tls: TlsOptions;
}

/**
 * Puts together what is needed to connect: flags first, then GITALY_HA_ADDRESS, GITALY_HA_TOKEN_FILE or
 * GITALY_HA_TOKEN, and GITALY_HA_CA_FILE. There is no flag for the token itself: other users of the
 * machine can read arguments.
 *
 * @throws CliError if something is missing or cannot be read
 */
export function readConnection(flags: ConnectionFlags, env: Environment): Connection {
  const address = flags.address ?? env['GITALY_HA_ADDRESS'];
  if (!address) {
    throw new CliError(
      'no address given: use --address or set GITALY_HA_ADDRESS, like dns:///gitaly-proxy:8075',
    );
  }
  const caFile = flags.caFile ?? env['GITALY_HA_CA_FILE'];
  return {
    address,
    token: readToken(flags.tokenFile ?? env['GITALY_HA_TOKEN_FILE'], env),
    tls: caFile ? { ca: readText(caFile, 'certificates') } : {},
  };
}

/** A file's last line break does not belong to the token. */
function readToken(file: string | undefined, env: Environment): string {
  const token = file ? readText(file, 'token').replace(/\r?\n$/, '') : env['GITALY_HA_TOKEN'];
  if (token) return token;
  throw new CliError(
    file
      ? `the token in ${file} is empty: put the secret that clients of the proxy sign with into it`
      : 'no token given: use --token-file, or set GITALY_HA_TOKEN_FILE or GITALY_HA_TOKEN',
  );
}

function readText(file: string, what: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new CliError(`cannot read the ${what}: ${errorMessage(error)}`);
  }
}
