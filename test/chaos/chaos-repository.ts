import type { GitalyClient } from '../../src/client/gitaly-client.ts';
import { virtualStorage } from '../scenario/gitaly-cluster.ts';
import type { Git } from '../scenario/git.ts';
import { importHistory } from '../support/generated-history.ts';

const poolRef = 'refs/heads/pool';

/** The tree of commits that hold nothing. Git knows it without being told. */
export const emptyTree = '4b825dc642cb6eb9a060e54bf8d69288fbee4904';

/** A repository that writers and readers share, with commits in it that no reference points to yet. */
export class ChaosRepository {
  readonly relativePath: string;
  readonly #commits: readonly string[];
  #next = 0;

  constructor(relativePath: string, commits: readonly string[]) {
    this.relativePath = relativePath;
    this.#commits = commits;
  }

  /** As calls name it. */
  get message() {
    return { storageName: virtualStorage, relativePath: this.relativePath };
  }

  /** The name under which a history has one of its references. */
  register(ref: string): string {
    return `${this.relativePath} ${ref}`;
  }

  /** How many times {@link unusedCommit} still works. */
  get commitsLeft(): number {
    return this.#commits.length - this.#next;
  }

  /**
   * A commit that it has, and that was not asked for before.
   *
   * @throws Error if there are no more
   */
  unusedCommit(): string {
    const commit = this.#commits[this.#next];
    if (commit === undefined) throw new Error(`${this.relativePath} has no unused commit left`);
    this.#next += 1;
    return commit;
  }
}

/** What repositories are made of: a work folder whose branch has many commits. */
export interface CommitPool {
  readonly folder: string;
  readonly commits: readonly string[];
}

/** Makes `count` commits that differ in their messages alone. */
export async function createCommitPool(git: Git, count: number): Promise<CommitPool> {
  const folder = git.folder('pool');
  await git.git('.', ['init', '-q', '--bare', '-b', 'main', folder]);
  await importHistory(folder, emptyCommits(count));
  const text = await git.git(folder, ['rev-list', 'main']);
  return { folder, commits: text.split('\n') };
}

/** Makes a repository that has the commits of a pool. */
export async function createChaosRepository(
  { client, git, pool }: { client: GitalyClient; git: Git; pool: CommitPool },
  relativePath: string,
): Promise<ChaosRepository> {
  const { folder, commits } = pool;
  const repository = new ChaosRepository(relativePath, commits);
  await client.repository.createRepository({ repository: repository.message });
  await git.git(folder, ['push', '-q', git.url(relativePath), `main:${poolRef}`]);
  return repository;
}

function* emptyCommits(count: number): Generator<Buffer> {
  for (let index = 0; index < count; index++) {
    const message = `commit ${index}`;
    const committer = `Chaos <chaos@example.com> ${1_700_000_000 + index} +0000`;
    yield Buffer.from(
      `commit refs/heads/main\ncommitter ${committer}\ndata ${message.length}\n${message}\n`,
    );
  }
}
