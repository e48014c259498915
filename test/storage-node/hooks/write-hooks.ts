import type { LocalRepository } from '../git/storages.ts';
import { goErrorText } from '../grpc/status.ts';
import { type Caster, Phase, type Transaction, voteOf } from '../votes/transaction.ts';
import type { GitLabApi, Pusher, PushQuestion } from './gitlab-api.ts';
import type { Quarantine } from './hook-channel.ts';

/** GitLab refused the write. */
export class NotAllowedError extends Error {
  /** The text of GitLab. */
  readonly reason: string;
  readonly pusher: Pusher;
  readonly changes: Buffer;

  constructor(reason: string, pusher: Pusher, changes: Buffer) {
    super(`GitLab: ${reason}`);
    this.name = 'NotAllowedError';
    this.reason = reason;
    this.pusher = pusher;
    this.changes = changes;
  }
}

export interface WriteHooksOptions {
  readonly repository: LocalRepository;
  readonly transaction: Transaction;
  readonly gitlab: GitLabApi;
  /** Undefined for a write that no person makes: then only references are voted on. */
  readonly pusher?: Pusher;
  /** Whether git asks or the server itself. */
  readonly caster: Caster;
}

/** What belongs to a push besides its lines. */
export interface PushContext {
  readonly quarantine?: Quarantine | undefined;
  readonly pushOptions?: readonly string[];
}

/**
 * What happens at each step of a write besides git's own work: GitLab is asked, votes are cast.
 * Only the primary asks GitLab; all nodes then wait for each other with a vote.
 * Changes are lines `<old> <new> <ref>\n`.
 */
export class WriteHooks {
  readonly #options: WriteHooksOptions;

  constructor(options: WriteHooksOptions) {
    this.#options = options;
  }

  /** @throws NotAllowedError if GitLab refuses; Error if a vote fails */
  async preReceive(changes: Buffer, context: PushContext = {}): Promise<void> {
    await this.#onPrimary((question) => this.#askGitLab(question), changes, context);
    await this.#synchronize('pre-receive');
  }

  async update(): Promise<void> {
    await this.#synchronize('update');
  }

  /** @returns what the person who pushes is to read */
  async postReceive(changes: Buffer, context: PushContext = {}): Promise<string> {
    let messages: readonly string[] = [];
    const report = async (question: PushQuestion) => {
      messages = await this.#options.gitlab.postReceive(question);
    };
    await this.#onPrimary(report, changes, context);
    await this.#synchronize('post-receive');
    return messages.length === 0 ? '' : `\n${messages.map((text) => `${text}\n\n`).join('')}`;
  }

  /** A step of a reference transaction. Deletions that check no old value are not voted on. */
  async referenceTransaction(
    phase: 'preparing' | 'prepared' | 'committed',
    changes: Buffer,
  ): Promise<void> {
    const phases = {
      preparing: Phase.PREPARING_PHASE,
      prepared: Phase.PREPARED_PHASE,
      committed: Phase.COMMITTED_PHASE,
    };
    if (isForcedDeletion(changes)) return;
    const { transaction, caster } = this.#options;
    try {
      await transaction.vote(phases[phase], voteOf(changes), caster);
    } catch (error) {
      throw new Error(`error voting on transaction: ${goErrorText(error)}`, { cause: error });
    }
  }

  async #askGitLab(question: PushQuestion): Promise<void> {
    const { gitlab, repository } = this.#options;
    try {
      await gitlab.allowed(question);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new NotAllowedError(reason, question.pusher, question.changes);
    }
    // Gitaly's text for this refusal is empty.
    if (!(await gitlab.preReceive(repository.glRepository))) throw new Error('');
  }

  async #onPrimary(
    ask: (question: PushQuestion) => Promise<void>,
    changes: Buffer,
    context: PushContext,
  ): Promise<void> {
    const { repository, transaction, pusher } = this.#options;
    if (!transaction.primary || !pusher) return;
    const { quarantine, pushOptions = [] } = context;
    try {
      await ask({ repository, pusher, changes, pushOptions, quarantine });
    } catch (error) {
      // The refusal counts, whether or not the others could be told.
      await transaction.stop().catch(() => {});
      throw error;
    }
  }

  async #synchronize(hook: string): Promise<void> {
    const { transaction, caster } = this.#options;
    const vote = voteOf(`synchronize ${hook} hook`);
    try {
      await transaction.vote(Phase.SYNCHRONIZED_PHASE, vote, caster);
    } catch (error) {
      const text = `synchronizing ${hook} hook: vote failed: ${goErrorText(error)}`;
      throw new Error(text, { cause: error });
    }
  }
}

/**
 * Whether each line deletes without looking at the old value. Git queues such a transaction by itself when it removes
 * packed references, and nodes are packed differently.
 */
function isForcedDeletion(changes: Buffer): boolean {
  const lines = changes
    .toString('latin1')
    .split('\n')
    .filter((line) => line !== '');
  return lines.every((line) => /^(0+) \1 /.test(line));
}
