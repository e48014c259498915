import { rm } from 'node:fs/promises';
import { expect } from '@jest/globals';
import type { Scope } from '../../src/base/scope.ts';
import type { GitalyClient } from '../../src/client/gitaly-client.ts';
import { virtualStorage } from '../scenario/gitaly-cluster.ts';
import type { Git } from '../scenario/git.ts';
import { waitFor } from '../scenario/wait-for.ts';
import { commitFile } from '../support/commit-file.ts';
import { SteadyLoad, type LoadTarget, type LoadTask } from '../support/steady-load.ts';
import { slowClones } from './slow-clones.ts';

const limitMs = 120_000;

/** Two cores carry the cluster and its clients: calls are never far apart, but leave it some time. */
const pauseMs = 100;

/** Makes a repository with one commit on `main`. */
export async function loadTarget(client: GitalyClient, relativePath: string): Promise<LoadTarget> {
  const repository = { storageName: virtualStorage, relativePath };
  await client.repository.createRepository({ repository });
  const commit = await commitFile(client, { repository, branch: 'main', text: 'first' });
  return { repository, commit };
}

/** Clones of a repository, and pushes to it; and clones of a large one, by a network that is slow. */
export async function gitTasks(
  scope: Scope,
  git: Git,
  client: GitalyClient,
): Promise<readonly LoadTask[]> {
  const { repository } = await loadTarget(client, 'git.git');
  const url = git.url(repository.relativePath);
  const tree = git.folder('tree');
  await git.git('.', ['clone', '-q', '--branch', 'main', url, tree]);
  return [
    await slowClones(scope, git, await loadTarget(client, 'large.git')),
    {
      name: 'pushes',
      async once(round) {
        await git.git(tree, ['commit', '-q', '--allow-empty', '-m', `push ${round}`]);
        await git.git(tree, ['push', '-q', url, 'main']);
      },
    },
    {
      name: 'clones',
      async once(round) {
        const folder = git.folder(`clone-${round}`);
        await git.git('.', ['clone', '-q', url, folder]);
        await rm(folder, { recursive: true });
      },
    },
  ];
}

/**
 * Does something while tasks are repeated. Each of them has to be done twice before it and twice after
 * it, and whenever it waits for `more` work; none may fail.
 */
export async function underLoad(
  tasks: readonly LoadTask[],
  action: (more: () => Promise<void>) => Promise<void>,
): Promise<void> {
  const load = new SteadyLoad(tasks, { pauseMs });
  const more = () => twiceMore(load);
  try {
    await more();
    await action(more);
    await more();
  } finally {
    await load.stop();
    process.stderr.write(`calls done: ${JSON.stringify([...load.done])}\n`);
  }
  expect(load.failures).toEqual([]);
}

/** Waits until each task was done two times more than now. */
async function twiceMore(load: SteadyLoad): Promise<void> {
  const before = new Map(load.done);
  await waitFor('two rounds of every kind of work', limitMs, async () => {
    const missing = [...load.done].filter(([name, rounds]) => rounds < (before.get(name) ?? 0) + 2);
    if (missing.length === 0) return undefined;
    return [...missing.map(([name]) => name), ...load.failures.slice(0, 3)].join(', ');
  });
}
