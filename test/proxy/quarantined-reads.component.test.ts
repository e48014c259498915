import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { systemClock } from '../../src/base/clock.ts';
import { deferred } from '../../src/base/deferred.ts';
import { CommitService } from '../../src/gen/gitaly/commit_pb.ts';
import { RefService } from '../../src/gen/gitaly/ref_pb.ts';
import { RepositoryService } from '../../src/gen/gitaly/repository_pb.ts';
import type { ControlStore } from '../../src/proxy/store/control-store.ts';
import { MemoryDatabase } from '../../src/proxy/store/memory-database.ts';
import { createMemoryStore } from '../../src/proxy/store/memory-store.ts';
import { movePrimary } from '../../src/proxy/transactions/record-changes.ts';
import {
  startCheckingGitLab,
  type AccessQuestion,
  type CheckingGitLab,
} from '../support/checking-gitlab.ts';
import { commitFile } from '../support/commit-file.ts';
import { eventually } from '../support/eventually.ts';
import { ProxyCluster } from '../support/proxy-cluster.ts';
import { changed } from '../support/repository-records.ts';
import { beginPush, loneCommit } from '../support/ssh-push.ts';
import { patientMs } from '../support/steady-load.ts';

jest.setTimeout(180_000);

const virtualStorage = 'default';
const relativePath = 'group/project.git';
const branch = 'pushed';
const repository = { storageName: virtualStorage, relativePath, glRepository: 'project-1' };
/** What GitLab sends with all that it reads while it checks a push. */
const metadata = { 'gitaly-route-repository-accessor-policy': 'primary-only' };
/** One that the pushes come by, and one that knows nothing of them. */
const proxies = [0, 1];

let gitlab: CheckingGitLab;
let cluster: ProxyCluster;
let store: ControlStore;
beforeEach(async () => {
  const database = new MemoryDatabase({ clock: systemClock });
  const openStore = async () => createMemoryStore({ clock: systemClock, database });
  store = await openStore();
  gitlab = await startCheckingGitLab();
  cluster = await ProxyCluster.start({ proxies: proxies.length, gitlab, openStore });
  await client().repository.createRepository({ repository });
  await commitFile(client(), { repository, branch: 'main', text: 'first' });
});
afterEach(async () => {
  // First, so that no push waits for it.
  await gitlab.stop();
  await cluster.stop();
  await store.stop();
});

/** A push that waits for GitLab to say whether it is allowed. */
interface CheckedPush {
  readonly question: AccessQuestion;
  /** Lets GitLab allow it. Rejects if it comes to nothing all the same. */
  allow(): Promise<void>;
}

/** Begins a push, and resolves when GitLab is asked about it. */
async function untilChecked(push: () => Promise<void>): Promise<CheckedPush> {
  const asked = deferred<AccessQuestion>();
  const verdict = deferred<boolean>();
  gitlab.check = (question) => {
    asked.resolve(question);
    return verdict.promise;
  };
  const end = push();
  end.catch(() => {});
  const question = await Promise.race([asked.promise, end]);
  if (question === undefined) throw new Error('GitLab was not asked');
  const allow = () => {
    verdict.resolve(true);
    return end;
  };
  return { question, allow };
}

async function primary(): Promise<string> {
  return (await store.get({ virtualStorage, relativePath }))?.primary ?? '';
}

/** How often a storage has answered calls of a method. */
async function answered(storage: string, method: string): Promise<number> {
  const { registry } = cluster.node(storage).metrics;
  const metric = await registry.getSingleMetric('grpc_server_handled_total')?.get();
  const values = metric?.values.filter(({ labels }) => labels['grpc_method'] === method) ?? [];
  return values.reduce((sum, { value }) => sum + value, 0);
}

/** Moves the primary to another storage, and resolves with that when every proxy sends reads for the primary there. */
async function moveThePrimary(): Promise<string> {
  const from = await primary();
  const to = cluster.nodes.map(({ name }) => name).find((name) => name !== from) ?? '';
  await eventually('the primary has moved', async () => {
    const record = await store.get({ virtualStorage, relativePath });
    if (record === undefined) throw new Error('there is no repository');
    return (await store.compareAndSwap(changed(movePrimary(record, to)))).kind === 'swapped';
  });
  for (const proxy of proxies) {
    const refs = cluster.rpc(RefService, { proxy });
    await eventually(`proxy ${proxy} knows`, async () => {
      const before = await answered(to, 'FindDefaultBranchName');
      await refs.findDefaultBranchName({ repository }, { metadata });
      return (await answered(to, 'FindDefaultBranchName')) > before;
    });
  }
  return to;
}

const client = () => cluster.client(0, { deadlineMs: patientMs });

async function pushOverSsh(): Promise<void> {
  const push = await beginPush(client(), repository);
  const { exitCode, heard } = await push.finish({
    ref: `refs/heads/${branch}`,
    ...loneCommit('pushed'),
  });
  expect(heard).toContain(`ok refs/heads/${branch}`);
  expect(exitCode).toBe(0);
}

async function editInGitLab(): Promise<void> {
  await commitFile(client(), { repository, branch, text: 'edited' });
}

/** The commit that is pushed, as GitLab reads it by one of the proxies; undefined if it is not found. */
async function readCommit(
  proxy: number,
  { quarantine, commit }: AccessQuestion,
): Promise<string | undefined> {
  const request = {
    repository: { ...repository, ...quarantine },
    revision: Buffer.from(commit),
  };
  const found = await cluster.rpc(CommitService, { proxy }).findCommit(request, { metadata });
  return found.commit?.id;
}

describe('what GitLab reads to check a push', () => {
  it.each([
    ['a push, which git keeps in the repository', pushOverSsh, /^objects\/tmp_objdir-incoming-/],
    ['an edit, which Gitaly keeps beside it', editInGitLab, /^(\.\.\/)+\+gitaly\/tmp\/quarantine-/],
  ])('is found by each proxy after a move of the primary: %s', async (_what, push, folder) => {
    const { question, allow } = await untilChecked(push);
    expect(question.quarantine.gitObjectDirectory).toMatch(folder);
    await moveThePrimary();
    for (const proxy of proxies) {
      expect(await readCommit(proxy, question)).toBe(question.commit);
      await cluster
        .rpc(RepositoryService, { proxy })
        .getObjectDirectorySize({ repository: { ...repository, ...question.quarantine } });
    }
    await allow();
    const request = { repository, revision: Buffer.from(branch) };
    expect((await client().commit.findCommit(request)).commit?.id).toBe(question.commit);
  });

  it('costs each proxy one small call more if the primary has not moved', async () => {
    const { question, allow } = await untilChecked(pushOverSsh);
    for (const proxy of [...proxies, ...proxies]) {
      expect(await readCommit(proxy, question)).toBe(question.commit);
    }
    const from = await primary();
    for (const { name } of cluster.nodes) {
      const expected = name === from ? proxies.length : 0;
      expect(await answered(name, 'GetObjectDirectorySize')).toBe(expected);
    }
    await allow();
  });
});
