import { describe, expect, test } from '@jest/globals';
import { fc } from '../../test/support/properties.ts';
import { parseGitSshArguments } from './git-ssh-arguments.ts';

/** Quotes as git does (git repository, `quote.c`). */
function quote(path: string): string {
  return `'${path.replaceAll(/['!]/g, (char) => `'\\${char}'`)}'`;
}

const clone = "git-upload-pack '/default/group/project.git'";
const run = {
  kind: 'run',
  service: 'upload-pack',
  host: 'proxy',
  port: undefined,
  path: '/default/group/project.git',
};

describe('the arguments that git gives', () => {
  test.each([
    ['a plain host', ['proxy', clone], run],
    ['a user', ['git@proxy', clone], run],
    [
      'a port and options',
      ['-o', 'SendEnv=GIT_PROTOCOL', '-p', '2305', 'git@proxy', clone],
      { ...run, port: 2305 },
    ],
    [
      'attached values',
      ['-4', '-p2305', '-oSendEnv=GIT_PROTOCOL', 'proxy', clone],
      { ...run, port: 2305 },
    ],
    ['an IPv6 address', ['-6', '[::1]', clone], { ...run, host: '::1' }],
    [
      'a push',
      ['proxy', "git-receive-pack '/default/group/project.git'"],
      { ...run, service: 'receive-pack' },
    ],
    ['a command in two words', ['proxy', 'git', "upload-pack '/default/group/project.git'"], run],
  ])('with %s are understood', (_what, args, expected) => {
    expect(parseGitSshArguments(args)).toEqual(expected);
  });

  test.each([[['-G', 'proxy']], [['-p', '22', '-G', 'git@proxy']]])(
    '%j ask whether this is like OpenSSH',
    (args) => {
      expect(parseGitSshArguments(args)).toEqual({ kind: 'probe' });
    },
  );

  test('name any path', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, unit: 'binary' }), (path) => {
        const parsed = parseGitSshArguments(['proxy', `git-upload-pack ${quote(path)}`]);
        expect(parsed).toMatchObject({ kind: 'run', path });
      }),
    );
  });

  test.each([
    ['nothing', [], 'a host and a command are needed'],
    ['no command', ['proxy'], 'a host and a command are needed'],
    ['a strange port', ['-p', 'x', 'proxy', clone], '"x" is no port'],
    ['an archive', ['proxy', "git-upload-archive '/a/b.git'"], 'is not served'],
    ['a shell', ['proxy', 'ls'], 'is not served'],
    ['a path without quotes', ['proxy', 'git-upload-pack /a/b.git'], 'is not served'],
    ['more than a path', ['proxy', "git-upload-pack '/a/b.git'; ls"], 'is not served'],
  ])('are refused with the next step if there is %s', (_what, args, message) => {
    expect(parseGitSshArguments(args)).toEqual({
      kind: 'unusable',
      message: expect.stringMatching(new RegExp(`${message}.*GIT_SSH_COMMAND`)),
    });
  });
});
