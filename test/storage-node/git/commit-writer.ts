import { rm } from 'node:fs/promises';
import path from 'node:path';
import type { Git } from './git.ts';
import type { ObjectQuarantine } from './quarantine.ts';
import type { TreeFile } from './tree-edits.ts';

/** Who and when. `offset` is like `+0200`. */
export interface Signature {
  readonly name: string;
  readonly email: string;
  readonly seconds: bigint;
  readonly offset: string;
}

/** Writes the objects of one new commit into a quarantine. */
export class CommitWriter {
  readonly #git: Git;
  readonly #repository: string;
  readonly #quarantine: ObjectQuarantine;

  constructor(git: Git, repository: string, quarantine: ObjectQuarantine) {
    this.#git = git;
    this.#repository = repository;
    this.#quarantine = quarantine;
  }

  async writeBlob(content: Uint8Array): Promise<string> {
    return this.#writeObject('blob', content);
  }

  /** The files of a commit, by path. */
  async readFiles(commit: string): Promise<Map<string, TreeFile>> {
    const output = await this.#run(['ls-tree', '-r', '-z', '--full-tree', commit]);
    const files = new Map<string, TreeFile>();
    for (const line of output.toString().split('\0')) {
      const match = /^(\d+) \w+ ([0-9a-f]+)\t(.*)$/s.exec(line);
      const [, mode, id, name] = match ?? [];
      if (mode && id && name) files.set(name, { mode, id });
    }
    return files;
  }

  async writeTree(files: ReadonlyMap<string, TreeFile>): Promise<string> {
    const index = path.join(this.#quarantine.objects, 'index');
    const env = { GIT_INDEX_FILE: index };
    const lines = [...files].map(([name, { mode, id }]) => `${mode} ${id}\t${name}\0`);
    try {
      await this.#run(['update-index', '-z', '--index-info'], { input: lines.join(''), env });
      return (await this.#run(['write-tree'], { env })).toString().trim();
    } finally {
      await rm(index, { force: true });
    }
  }

  async writeCommit(commit: {
    tree: string;
    parent: string | undefined;
    author: Signature;
    committer: Signature;
    message: Uint8Array;
  }): Promise<string> {
    const header = [
      `tree ${commit.tree}`,
      ...(commit.parent === undefined ? [] : [`parent ${commit.parent}`]),
      `author ${formatSignature(commit.author)}`,
      `committer ${formatSignature(commit.committer)}`,
    ];
    const content = Buffer.concat([Buffer.from(`${header.join('\n')}\n\n`), commit.message]);
    return this.#writeObject('commit', content);
  }

  async #writeObject(type: string, content: Uint8Array): Promise<string> {
    const output = await this.#run(['hash-object', '-t', type, '-w', '--stdin'], {
      input: content,
    });
    return output.toString().trim();
  }

  async #run(
    args: readonly string[],
    run: { input?: string | Uint8Array; env?: Readonly<Record<string, string>> } = {},
  ): Promise<Buffer> {
    const env = { ...this.#quarantine.environment, ...run.env };
    return this.#git.output(this.#repository, args, { ...run, env });
  }
}

function formatSignature({ name, email, seconds, offset }: Signature): string {
  const clean = (text: string) => text.replaceAll(/[<>\n\0]/g, '').trim();
  return `${clean(name)} <${clean(email)}> ${seconds} ${offset}`;
}
