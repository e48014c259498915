import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { errorMessage } from '../base/errors.ts';
import { CliError } from './cli-error.ts';
import type { CliIo } from './cli-io.ts';
import { runGitSsh } from './git-ssh.ts';
import { addRepositoryCommands } from './repository-commands.ts';
import { addStorageCommands } from './storage-commands.ts';
import { addStatusCommands } from './status-commands.ts';

/**
 * Runs the command line.
 *
 * @param args without the program's own name
 * @returns the exit code: 0, that of git for `git-ssh`, else 1; failures were told on stderr
 */
export async function runCli(args: readonly string[], io: CliIo): Promise<number> {
  try {
    // Git's options for ssh are not ours to parse.
    if (args[0] === 'git-ssh' && args[1] !== '--help') return await runGitSsh(args.slice(1), io);
    await createProgram(io).parseAsync([...args], { from: 'user' });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode;
    const message = errorMessage(error);
    if (message !== '') io.stderr.write(`gitaly-ha: ${message}\n`);
    return error instanceof CliError ? error.exitCode : 1;
  }
}

function createProgram(io: CliIo): Command {
  const program = new Command('gitaly-ha')
    .description('Works with the highly available Git storage of gitaly-operator.')
    .option(
      '--address <address>',
      'of the proxies, like dns:///gitaly-proxy:8075 ($GITALY_HA_ADDRESS)',
    )
    .option('--token-file <file>', 'with the secret of the proxies ($GITALY_HA_TOKEN_FILE)')
    .option('--ca-file <file>', 'with certificates to trust ($GITALY_HA_CA_FILE)')
    .option('--timeout <seconds>', 'how long each call of a command may take', parseSeconds, 30)
    .option('--json', 'print JSON for programs')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void io.stdout.write(text),
      writeErr: (text) => void io.stderr.write(text),
    });
  addStatusCommands(program, io);
  addRepositoryCommands(program, io);
  addStorageCommands(program, io);
  addGitSsh(program);
  return program;
}

/** Only for the help: see {@link runCli}. */
function addGitSsh(program: Command): void {
  program
    .command('git-ssh')
    .description('the transport of git, called by git itself: GIT_SSH_COMMAND="gitaly-ha git-ssh"')
    .addHelpText(
      'after',
      `
Clone with:
  export GIT_SSH_COMMAND="gitaly-ha git-ssh" GITALY_HA_TOKEN_FILE=/path/to/token
  git clone ssh://proxy:8075/default/group/project.git

The path begins with the virtual storage. GITALY_HA_ADDRESS replaces host and port of the URL.
GITALY_HA_GL_ID and GITALY_HA_GL_REPOSITORY say whose push it is and what GitLab calls the repository.
Git finds out by itself that ports can be given; with ssh.variant=simple in its configuration it does not ask,
and URLs have no port.`,
    );
}

/** Reads a flag's value as a time. */
function parseSeconds(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value <= 86_400)) throw new InvalidArgumentError('use seconds, up to 86400.');
  return value;
}
