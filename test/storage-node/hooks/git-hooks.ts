import type { Duplex } from 'node:stream';
import { errorMessage } from '../../../src/base/errors.ts';
import { type HookAnswer, type HookQuestion, serveHooks } from './hook-channel.ts';
import type { WriteHooks } from './write-hooks.ts';

/** Answers the hooks of one git by {@link WriteHooks}. */
export function gitHooks(hooks: WriteHooks): (channel: Duplex) => void {
  return (channel) => {
    serveHooks(channel, (question) => answer(hooks, question)).catch(() => channel.destroy());
  };
}

async function answer(hooks: WriteHooks, question: HookQuestion): Promise<HookAnswer> {
  switch (question.hook) {
    case 'pre-receive':
      return speaking(async () => {
        await hooks.preReceive(question.input, question);
        return '';
      });
    case 'update':
      return speaking(async () => {
        await hooks.update();
        return '';
      });
    case 'post-receive':
      return speaking(() => hooks.postReceive(question.input, question));
    case 'reference-transaction':
      return referenceTransaction(hooks, question);
    default:
      return { exitCode: 1, stderr: `unknown hook ${question.hook}\n` };
  }
}

/** A hook whose text the person who pushes reads, as Gitaly's hooks give it: without a line feed. */
async function speaking(act: () => Promise<string>): Promise<HookAnswer> {
  try {
    return { exitCode: 0, stdout: await act() };
  } catch (error) {
    return { exitCode: 1, stderr: errorMessage(error) };
  }
}

async function referenceTransaction(
  hooks: WriteHooks,
  question: HookQuestion,
): Promise<HookAnswer> {
  const [phase] = question.args;
  if (phase !== 'prepared' && phase !== 'committed') return { exitCode: 0 };
  try {
    await hooks.referenceTransaction(phase, withoutHeadEcho(question.input));
    return { exitCode: 0 };
  } catch {
    return { exitCode: 1, stderr: 'error executing git hook\n' };
  }
}

/**
 * Git before 2.46 also lists HEAD when the branch it points to changes. That is a matter of its log only, and the vote
 * has to be the same with all versions. What changes HEAD itself reads `ref:`.
 */
function withoutHeadEcho(changes: Buffer): Buffer {
  const lines = changes.toString('latin1').split('\n');
  const kept = lines.filter((line) => !/^[0-9a-f]+ [0-9a-f]+ HEAD$/.test(line));
  return Buffer.from(kept.join('\n'), 'latin1');
}
