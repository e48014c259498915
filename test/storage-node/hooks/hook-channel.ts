import type { Duplex } from 'node:stream';
import { errorMessage } from '../../../src/base/errors.ts';

/** A hook that git runs right now. */
export interface HookQuestion {
  readonly hook: string;
  readonly args: readonly string[];
  /** The hook's standard input: lines, each with its line feed. Reference names need not be UTF-8. */
  readonly input: Buffer;
  /** Where the objects of a push are until it is accepted; undefined outside a push. */
  readonly quarantine: Quarantine | undefined;
  readonly pushOptions: readonly string[];
}

/** The object directories of a push that is not accepted yet, absolute paths. */
export interface Quarantine {
  readonly objects: string;
  readonly alternates: readonly string[];
}

/** What the hook prints and how it ends. */
export interface HookAnswer {
  readonly exitCode: number;
  readonly stdout?: string;
  readonly stderr?: string;
}

/**
 * Answers the hooks of one git, one after the other, until its end of the channel is closed.
 * If `answer` throws, the hook fails, and with it what git was about to do.
 */
export async function serveHooks(
  channel: Duplex,
  answer: (question: HookQuestion) => Promise<HookAnswer>,
): Promise<void> {
  channel.on('error', () => {});
  let lines: string[] = [];
  let headerLength: number | undefined;
  for await (const line of linesOf(channel)) {
    if (line !== '') lines.push(line);
    else if (headerLength === undefined) headerLength = lines.length;
    else {
      const question = parseQuestion(lines.slice(0, headerLength), lines.slice(headerLength));
      lines = [];
      headerLength = undefined;
      channel.write(formatAnswer(await answer(question).catch(failedAnswer)));
    }
  }
}

/** Lines without their line feed, as latin1, which keeps every byte. */
async function* linesOf(channel: Duplex): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of channel as AsyncIterable<Buffer>) {
    const lines = (rest + chunk.toString('latin1')).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
}

function failedAnswer(error: unknown): HookAnswer {
  return { exitCode: 1, stderr: `${errorMessage(error)}\n` };
}

function parseQuestion(header: readonly string[], input: readonly string[]): HookQuestion {
  const [hook = '', ...args] = header[0]?.trimEnd().split(' ') ?? [];
  const values = (name: string) =>
    header
      .slice(1)
      .filter((line) => line.startsWith(`${name} `))
      .map((line) => line.slice(name.length + 1));
  const [objects] = values('objects');
  const alternates = values('alternates').flatMap((list) => list.split(':'));
  return {
    hook,
    args,
    input: Buffer.from(input.map((line) => `${line}\n`).join(''), 'latin1'),
    quarantine: objects === undefined ? undefined : { objects, alternates },
    pushOptions: values('push-option'),
  };
}

function formatAnswer({ exitCode, stdout = '', stderr = '' }: HookAnswer): string {
  return `${exitCode} _${escape(stdout)} _${escape(stderr)}\n`;
}

/** Octal escapes for all but letters and digits: `read` and `printf %b` then keep every byte. */
function escape(text: string): string {
  let escaped = '';
  for (const byte of Buffer.from(text)) {
    const letter = String.fromCharCode(byte);
    escaped += /[A-Za-z0-9]/.test(letter) ? letter : `\\0${byte.toString(8).padStart(3, '0')}`;
  }
  return escaped;
}
