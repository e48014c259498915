import type { Duplex } from 'node:stream';
import type { FetchSource } from './fetch-source.ts';
import { type Git, readAll } from './git.ts';
import { RefUpdater, type RefUpdate } from './ref-updater.ts';

/** More haves than this help little and make the request long. */
const maxHaves = 10_000;

export interface SynchronizeOptions {
  readonly git: Git;
  /** The folder of the repository that is to become equal. */
  readonly repository: string;
  readonly source: FetchSource;
  readonly signal: AbortSignal;
  /** Which references are looked at, here and there. Default: all. */
  readonly include?: (reference: string) => boolean;
  /** Serves the reference-transaction hook; without it nothing is voted on. */
  readonly hooks?: (channel: Duplex) => void;
}

/**
 * Makes all references equal to those of the source, and fetches the objects for that.
 * Deletions come first, all in one transaction unless a name takes the place of a folder or the other way round.
 */
export async function synchronizeReferences(options: SynchronizeOptions): Promise<void> {
  const { git, repository, source, signal, include = () => true } = options;
  const { references } = await source.references();
  const theirs = new Map([...references].filter(([name]) => include(name)));
  const ours = await readReferences(git, repository);
  const { deletions, changes } = difference(ours, theirs);
  const wants = [...new Set(changes.map(({ newId }) => newId))];
  const missing = await withoutObjects(git, repository, wants);
  if (missing.length > 0) await fetchObjects(options, missing, [...new Set(ours.values())]);
  await requireConnected(git, repository, wants, signal);
  for (const batch of batches(deletions, changes)) {
    if (batch.length > 0) await update(options, batch);
  }
}

/** What has to happen for `ours` to become `theirs`. */
function difference(
  ours: ReadonlyMap<string, string>,
  theirs: ReadonlyMap<string, string>,
): { deletions: RefUpdate[]; changes: RefUpdate[] } {
  const zeroId = '0'.repeat(40);
  const deletions = [...ours.keys()]
    .filter((reference) => !theirs.has(reference))
    .map((reference) => ({ reference, newId: zeroId, oldId: undefined }));
  const changes = [...theirs]
    .filter(([reference, id]) => ours.get(reference) !== id)
    .map(([reference, newId]) => ({ reference, newId, oldId: ours.get(reference) ?? zeroId }));
  return { deletions, changes };
}

function batches(deletions: RefUpdate[], changes: RefUpdate[]): RefUpdate[][] {
  const inTheWay = deletions.some(({ reference: gone }) =>
    changes.some(
      ({ reference }) => reference.startsWith(`${gone}/`) || gone.startsWith(`${reference}/`),
    ),
  );
  return inTheWay ? [deletions, changes] : [[...deletions, ...changes]];
}

async function readReferences(git: Git, repository: string): Promise<Map<string, string>> {
  const format = '--format=%(objectname) %(refname)';
  const output = (await git.output(repository, ['for-each-ref', format])).toString('latin1');
  const lines = output.split('\n').filter((line) => line !== '');
  return new Map(
    lines.map((line) => {
      const [id = '', name = ''] = line.split(' ');
      return [name, id];
    }),
  );
}

async function withoutObjects(
  git: Git,
  repository: string,
  ids: readonly string[],
): Promise<string[]> {
  if (ids.length === 0) return [];
  const input = ids.map((id) => `${id}\n`).join('');
  const output = await git.output(repository, ['cat-file', '--batch-check'], { input });
  const lines = output.toString().split('\n');
  return ids.filter((_, i) => lines[i]?.endsWith(' missing'));
}

async function fetchObjects(
  { git, repository, source, signal }: SynchronizeOptions,
  wants: readonly string[],
  haves: readonly string[],
): Promise<void> {
  const args = ['index-pack', '--stdin', '--fix-thin'];
  const index = git.spawn(repository, args, { signal });
  index.stdout.resume();
  const stderr = readAll(index.stderr);
  await source.fetch(wants, haves.slice(0, maxHaves), async (chunk) => {
    // It may be gone before the source has sent all: its exit code tells, and nothing is told twice.
    if (index.stdin.destroyed || index.stdin.write(chunk)) return;
    await new Promise((resolve) => {
      index.stdin.once('drain', resolve);
      index.stdin.once('close', resolve);
    });
  });
  index.stdin.end();
  const exitCode = await index.exited;
  if (exitCode !== 0) throw new Error(`index-pack: ${(await stderr).toString()}`);
}

/** A source that left something out must not become a broken repository. */
async function requireConnected(
  git: Git,
  repository: string,
  ids: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  if (ids.length === 0) return;
  const input = ids.map((id) => `${id}\n`).join('');
  const args = ['rev-list', '--objects', '--quiet', '--stdin', '--not', '--all'];
  await git.output(repository, args, { input, signal });
}

async function update(options: SynchronizeOptions, updates: readonly RefUpdate[]): Promise<void> {
  const { git, repository, signal, hooks } = options;
  const updater = await RefUpdater.start(git, repository, { signal, ...(hooks ? { hooks } : {}) });
  try {
    for (const item of updates) updater.queue(item);
    await updater.commit();
  } finally {
    await updater.close();
  }
}
