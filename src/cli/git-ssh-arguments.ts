/** What git wants of its SSH program. */
export type GitSshInvocation =
  /** Git asks whether the program understands the options of OpenSSH. */
  | { readonly kind: 'probe' }
  | {
      readonly kind: 'run';
      readonly service: 'upload-pack' | 'receive-pack';
      readonly host: string;
      readonly port: number | undefined;
      /** As it stands in the URL, like `/default/group/project.git`. */
      readonly path: string;
    }
  | { readonly kind: 'unusable'; readonly message: string };

/** Options of ssh(1) that are followed by a value. Their values mean nothing here, but the port. */
const optionsWithValue = 'BbcDEeFIiJLlmOopQRSWw';

/**
 * Reads the arguments that git gives its SSH program: `[-4 | -6] [-p port] [-o option]
 * [user@]host command` (git repository, `connect.c`; ssh(1)). The user means nothing here: whose push
 * it is comes from the environment.
 */
export function parseGitSshArguments(args: readonly string[]): GitSshInvocation {
  let port: number | undefined;
  let at = 0;
  for (; at < args.length; at++) {
    const option = /^-(.)(.*)$/s.exec(args[at] ?? '');
    if (option === null) break;
    const [, letter = '', attached = ''] = option;
    if (letter === 'G') return { kind: 'probe' };
    if (!optionsWithValue.includes(letter)) continue;
    const value = attached === '' ? (args[++at] ?? '') : attached;
    if (letter !== 'p') continue;
    port = Number(value);
    if (!/^[0-9]{1,5}$/.test(value)) return unusable(`${JSON.stringify(value)} is no port`);
  }
  const [destination, ...command] = args.slice(at);
  if (destination === undefined || command.length === 0) {
    return unusable('a host and a command are needed');
  }
  return parseCommand(destination.replace(/^.*@/s, ''), port, command.join(' '));
}

function parseCommand(host: string, port: number | undefined, command: string): GitSshInvocation {
  const match = /^git[- ](upload-pack|receive-pack) (.+)$/s.exec(command);
  const path = match?.[2] === undefined ? undefined : unquote(match[2]);
  if (match === null || path === undefined) {
    return unusable(
      `${JSON.stringify(command)} is not served: only fetch, clone and push are, no shell and no archive`,
    );
  }
  const service = match[1] === 'upload-pack' ? 'upload-pack' : 'receive-pack';
  return { kind: 'run', service, host: host.replace(/^\[(.*)\]$/, '$1'), port, path };
}

function unusable(problem: string): GitSshInvocation {
  const usage = 'git calls this program by itself: set GIT_SSH_COMMAND="gitaly-ha git-ssh"';
  return { kind: 'unusable', message: `${problem}; ${usage}` };
}

/** Undoes the quoting of a POSIX shell as git does it: 'a', with \' and \! outside of the quotes. */
function unquote(text: string): string | undefined {
  if (!/^(?:'[^']*'|\\['!])+$/.test(text)) return undefined;
  return text.replaceAll(/'([^']*)'|\\(['!])/g, (_, quoted?: string, escaped?: string) =>
    String(quoted ?? escaped),
  );
}
