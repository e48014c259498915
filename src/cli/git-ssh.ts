import { assertNever } from '../base/errors.ts';
import { createGitalyClient } from '../client/gitaly-client.ts';
import type { GitRequest } from '../client/git-streams.ts';
import { formatHostAndPort } from '../rpc/address.ts';
import { CliError, describeError } from './cli-error.ts';
import type { CliIo } from './cli-io.ts';
import { readConnection, type Environment } from './connection.ts';
import { parseGitSshArguments, type GitSshInvocation } from './git-ssh-arguments.ts';
import { parseRepositoryName } from './repository-name.ts';

type Run = Extract<GitSshInvocation, { kind: 'run' }>;

/** Where proxies listen if a URL names no port. */
const defaultPort = 8075;

/** What ssh(1) exits with when it fails itself, so that git tells it from the far end's failures. */
const sshFailure = 255;

/**
 * Stands in for ssh(1): `GIT_SSH_COMMAND="gitaly-ha git-ssh" git clone
 * ssh://proxy:8075/default/group/project.git`. The first part of the path is the virtual storage.
 *
 * The server comes from GITALY_HA_ADDRESS, else from the URL; the token as for all commands. Pushes
 * are made as GITALY_HA_GL_ID (default `user-1`) to GITALY_HA_GL_REPOSITORY (default: the path), which is
 * what Gitaly's hooks tell GitLab.
 *
 * @returns the exit code of git on the server
 * @throws CliError with exit code 255 if there is none
 */
export async function runGitSsh(args: readonly string[], io: CliIo): Promise<number> {
  const invocation = parseGitSshArguments(args);
  switch (invocation.kind) {
    case 'probe':
      return 0;
    case 'unusable':
      throw new CliError(invocation.message, sshFailure);
    case 'run':
      return runService(invocation, io);
    default:
      return assertNever(invocation);
  }
}

async function runService(run: Run, io: CliIo): Promise<number> {
  const { env } = io;
  const address = env['GITALY_HA_ADDRESS'] || addressOf(run);
  const client = createGitalyClient(readConnection({ address }, env));
  try {
    const request = gitRequest(run.path, env);
    return run.service === 'upload-pack'
      ? await client.git.uploadPack(request, io)
      : await client.git.receivePack({ ...request, ...pusher(env) }, io);
  } catch (error) {
    throw new CliError(describeError(error, address), sshFailure);
  } finally {
    await client.stop();
  }
}

function addressOf({ host, port = defaultPort }: Run): string {
  return `tcp://${formatHostAndPort(host, port)}`;
}

function gitRequest(path: string, env: Environment): GitRequest {
  const name = parseRepositoryName(path);
  const gitProtocol = env['GIT_PROTOCOL'];
  return {
    ...name,
    glRepository: env['GITALY_HA_GL_REPOSITORY'] || name.relativePath,
    ...(gitProtocol === undefined ? {} : { gitProtocol }),
  };
}

function pusher(env: Environment) {
  return { glId: env['GITALY_HA_GL_ID'] || 'user-1' };
}
