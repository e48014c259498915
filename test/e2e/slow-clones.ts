import { rm } from 'node:fs/promises';
import type { Scope } from '../../src/base/scope.ts';
import type { Git } from '../scenario/git.ts';
import { importHistory, incompressibleCommit } from '../support/generated-history.ts';
import { ServiceRelay } from '../support/service-relay.ts';
import type { LoadTarget, LoadTask } from '../support/steady-load.ts';

const sizeMiB = 200;

/** A clone takes five seconds: more than a storage needs to be rid of all other calls. */
const bytesPerSecond = (sizeMiB * 1024 * 1024) / 5;

/** Fills a repository with 200 MiB, and clones it by a network that is slow. */
export async function slowClones(
  scope: Scope,
  git: Git,
  { repository }: LoadTarget,
): Promise<LoadTask> {
  const relay = scope.own(await ServiceRelay.start({ bytesPerSecond }));
  relay.use([git.address]);
  const slow = git.by(relay.endpoint);
  const url = slow.url(repository.relativePath);
  const source = git.folder('large');
  await git.git('.', ['init', '-q', '--bare', source]);
  await importHistory(source, incompressibleCommit(sizeMiB));
  await git.git(source, ['push', '-q', git.url(repository.relativePath), 'main:large']);
  const commit = await git.git(source, ['rev-parse', 'main']);
  await rm(source, { recursive: true });
  return {
    name: 'slow clones',
    async once(round) {
      const folder = git.folder(`large-clone-${round}`);
      await slow.git('.', ['clone', '-q', '--bare', url, folder]);
      const cloned = await git.git(folder, ['rev-parse', 'large']);
      await rm(folder, { recursive: true });
      if (cloned !== commit) throw new Error(`cloned ${cloned}`);
    },
  };
}
