import { randomBytes } from 'node:crypto';
import { chmod, mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Stoppable } from '../../src/base/scope.ts';
import type { RunResult } from '../testbed/run.ts';
import type { Git } from './git.ts';
import { waitFor } from './wait-for.ts';

/** More than what git sends before the pack, and less than the pack. */
const heldAfterBytes = 1024 * 1024;
const payloadBytes = 4 * 1024 * 1024;

/**
 * A push that stands still in its middle: the server has a part of the pack, and gets no more until
 * {@link stop}. Between git and our command sits a shell that lets through the first megabyte.
 */
export class HeldPush implements Stoppable {
  readonly branch: string;
  /** How it ended. */
  readonly result: Promise<RunResult>;
  readonly #signs: Signs;

  private constructor(branch: string, signs: Signs, result: Promise<RunResult>) {
    this.branch = branch;
    this.#signs = signs;
    this.result = result;
  }

  /** Starts the push of one commit to a new branch. */
  static async start(git: Git, relativePath: string, branch: string): Promise<HeldPush> {
    const folder = git.folder(`held-${branch}`);
    await mkdir(folder);
    await git.git(folder, ['init', '-q', '-b', branch]);
    await writeFile(join(folder, 'payload'), randomBytes(payloadBytes));
    await git.git(folder, ['add', 'payload']);
    await git.git(folder, ['commit', '-q', '-m', 'held']);

    const gate = join(folder, '.git', 'gate');
    const holding = join(folder, '.git', 'holding');
    const ended = join(folder, '.git', 'ended');
    const command = join(folder, '.git', 'held-ssh');
    await writeFile(gate, '');
    await writeFile(
      command,
      `#!/bin/sh
{
  head -c ${heldAfterBytes}
  : >'${holding}'
  while [ -e '${gate}' ]; do sleep 0.05; done
  cat
} | {
  ${git.sshCommand} "$@"
  status=$?
  : >'${ended}'
  exit "$status"
}
`,
    );
    await chmod(command, 0o755);
    const push = ['push', '-q', git.url(relativePath), branch];
    const result = git.tryGit(folder, push, { limitMs: 240_000, sshCommand: command });
    return new HeldPush(branch, { gate, holding, ended }, result);
  }

  /** Resolves when the push stands still. */
  untilHeld(): Promise<void> {
    return untilThere(`the push of ${this.branch} to be in its middle`, this.#signs.holding);
  }

  /** Resolves when our command has given up, with the rest of the pack still held back. */
  untilCut(): Promise<void> {
    return untilThere(`the push of ${this.branch} to be cut`, this.#signs.ended);
  }

  /** Lets it go on, if there is anything left to go on with. */
  async stop(): Promise<void> {
    await rm(this.#signs.gate, { force: true });
    await this.result;
  }
}

/** Files by which the shell and we tell each other how far the push is. */
interface Signs {
  /** The push is held for as long as this is there. */
  readonly gate: string;
  readonly holding: string;
  readonly ended: string;
}

function untilThere(what: string, file: string): Promise<void> {
  return waitFor(what, 60_000, () =>
    stat(file).then(
      () => undefined,
      () => 'not yet',
    ),
  );
}
