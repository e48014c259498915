import type { RecordedCase } from './recording.ts';

/** What to do with a recorded case. */
export type Plan =
  | { readonly kind: 'compare' }
  /** The node leaves this method out and has to say so. */
  | { readonly kind: 'expect unimplemented' }
  | { readonly kind: 'skip'; readonly reason: string };

/** Methods that the node does not serve; the product under test never looks into them. */
const leftOut = new Set([
  'ObjectFormat',
  'RepositoryInfo',
  'HasLocalBranches',
  'PruneUnreachableObjects',
  'FindBranch',
  'FindLocalBranches',
  'FindAllTags',
  'ListCommits',
  'GetTreeEntries',
  'GetArchive',
  'UserMergeBranch',
  'UserFFBranch',
  'UserCreateTag',
  'UserSquash',
]);

/** Pushes whose sequence of votes depends on how git cuts them into reference transactions. */
const batched =
  'git before 2.50 makes a transaction for each reference of a push, and none for one that is refused';
const needBatchedUpdates: Readonly<Record<string, string>> = Object.fromEntries(
  ['ssh', 'http'].flatMap((protocol) =>
    [
      'two refs at once',
      'create and delete at once',
      'stale old value',
      'delete a missing branch',
      'two refs, ABORT at PREPARED',
    ].map((name) => [`${protocol} push: ${name}`, batched]),
  ),
);

const needNewGit: Readonly<Record<string, string>> = {
  ...needBatchedUpdates,
  'create: new, sha256':
    'git before 2.45 writes the config of a SHA-256 repository in another order',
};

const notPlayable: Readonly<Record<string, string>> = {
  'ReplicateRepository: new target, votes':
    'the hash of the creation depends on the snapshot that Gitaly takes; the recorder could not reproduce it either',
  'ReplicateRepository: ABORT at PREPARED':
    'the hash of the creation depends on the snapshot that Gitaly takes; the recorder could not reproduce it either',
};

/** Decides by the case and the version of git, like `2.39.5`. */
export function planFor(recorded: RecordedCase, gitVersion: string): Plan {
  if (recorded.method === undefined) return { kind: 'skip', reason: 'has no call' };
  const reason =
    notPlayable[recorded.case] ??
    (isBefore(gitVersion, 2, 50) ? needNewGit[recorded.case] : undefined);
  if (reason !== undefined) return { kind: 'skip', reason };
  const method = recorded.method.split('/').at(-1) ?? '';
  return leftOut.has(method) ? { kind: 'expect unimplemented' } : { kind: 'compare' };
}

function isBefore(version: string, major: number, minor: number): boolean {
  const [ours = 0, oursMinor = 0] = version.split('.').map(Number);
  return ours < major || (ours === major && oursMinor < minor);
}
