import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Code } from './grpc/status.ts';
import { compare } from './recordings/compare.ts';
import { type FakeGitLab, startFakeGitLab } from './testing/fake-gitlab.ts';
import { planFor } from './recordings/playable.ts';
import { play } from './recordings/player.ts';
import { loadRecording, type RecordedCase } from './recordings/recording.ts';
import { readReferences, runGit, Seed, setReferences } from './recordings/seed.ts';
import { type StartedStorageNode, startStorageNode } from './start.ts';

/** How a real Gitaly behaves, case by case; not part of the project, and beside it only where it is developed. */
const recordings = path.resolve('../shared/recordings');

const files = [
  '1-server.jsonl',
  '2-repository.jsonl',
  '3-push.jsonl',
  '4-writes.jsonl',
  '5-reads.jsonl',
  '6-sidechannel.jsonl',
  '7-replication-pools.jsonl',
];

const gitBinary = process.env['STORAGE_NODE_GIT'] ?? 'git';
const gitVersion = execFileSync(gitBinary, ['--version']).toString().split(' ')[2] ?? '';
const secret = 'ref-token';

const where = existsSync(recordings) ? describe : describe.skip;

where('the storage node behaves as the Gitaly recorded in ../shared/recordings', () => {
  let root: string;
  let gitlab: FakeGitLab;
  let seed: Seed;
  let nodes: readonly StartedStorageNode[];

  beforeAll(async () => {
    root = await mkdtemp(path.join(tmpdir(), 'storage-node-recordings-'));
    seed = await Seed.make(recordings, path.join(root, 'seed'));
    gitlab = await startFakeGitLab();
    const start = (name: string) =>
      startStorageNode({
        name,
        root: path.join(root, name),
        token: secret,
        gitlab: { url: gitlab.url, secret: 'not checked' },
        gitBinary,
      });
    nodes = await Promise.all([start('gitaly-1'), start('gitaly-2')]);
    for (const name of ['seed', 'read', 'clone', 'src', 'origin']) {
      await seed.copy(pathOf('gitaly-1', `rec/${name}.git`));
    }
    await seed.copyWithBigFile(pathOf('gitaly-1', 'rec/big.git'));
  });

  afterAll(async () => {
    await Promise.all(nodes.map((node) => node.stop()));
    await gitlab.stop();
    await rm(root, { recursive: true, force: true });
  });

  // Also the one that is shown as skipped where there are no recordings.
  test('there are cases to play', () => {
    expect(loadRecording(recordings, '1-server.jsonl').length).toBeGreaterThan(0);
  });

  for (const file of existsSync(recordings) ? files : []) {
    describe(`in ${file}`, () => {
      for (const recorded of loadRecording(recordings, file)) declare(recorded);
    });
  }

  function declare(recorded: RecordedCase): void {
    const plan = planFor(recorded, gitVersion);
    switch (plan.kind) {
      case 'skip':
        // oxlint-disable-next-line jest/no-disabled-tests -- the reason is in the title
        test.skip(`${recorded.case} (${plan.reason})`, () => {});
        return;
      case 'expect unimplemented':
        test(`${recorded.case} (not served)`, async () => {
          await prepare(recorded);
          const played = await play(recorded, options(recorded));
          expect(played.outcome.status).toMatchObject({ code: Code.UNIMPLEMENTED });
        });
        return;
      case 'compare':
        test(`${recorded.case} (as recorded)`, async () => {
          await prepare(recorded);
          const played = await play(recorded, options(recorded));
          expect(compare(recorded, played)).toEqual([]);
          await compareReferences(recorded);
        });
    }
  }

  async function prepare(recorded: RecordedCase): Promise<void> {
    const { case: name, peer, repository, refs_before: references } = recorded;
    if (name.includes('one ref added and one removed')) await changeSource('rec/src.git');
    if (name.includes('one ref added, one removed')) await changeSource('rec/origin.git');
    if (repository === undefined || typeof references !== 'object') return;
    const target = pathOf(peer, repository);
    if (!(await stat(target).catch(() => undefined))) await seed.copy(target);
    await setReferences(target, references);
    if (name.includes('in packed-refs')) await runGit(target, 'pack-refs', '--all');
  }

  /** What the recorder did to the source of a replication, and to the origin of a pool. */
  async function changeSource(repository: string): Promise<void> {
    const source = pathOf('gitaly-1', repository);
    await runGit(source, 'update-ref', 'refs/heads/added', 'refs/heads/feature');
    await runGit(source, 'update-ref', '-d', 'refs/heads/conflict');
  }

  async function compareReferences({ peer, repository, ...refs }: RecordedCase): Promise<void> {
    if (repository === undefined || refs.refs_after === undefined) return;
    expect(await readReferences(pathOf(peer, repository))).toEqual(refs.refs_after);
  }

  function options(recorded: RecordedCase) {
    const servers = recorded.request?.metadata.find(([name]) => name === 'gitaly-servers');
    const metadata = servers ? { 'gitaly-servers': ourServers(servers[1]) } : {};
    return { address: nodeOf(recorded.peer).address, secret, metadata };
  }

  /** The same storages, at the addresses of our nodes. */
  function ourServers(recorded: string): string {
    const names = Object.keys(JSON.parse(Buffer.from(recorded, 'base64').toString()) as object);
    const servers = names.map((name) => [
      name,
      { address: `tcp://${nodeOf(name).address}`, token: secret },
    ]);
    return Buffer.from(JSON.stringify(Object.fromEntries(servers))).toString('base64');
  }

  function nodeOf(name: string): StartedStorageNode {
    const node = nodes.find((candidate) => candidate.name === name);
    if (!node) throw new Error(`no node ${name}`);
    return node;
  }

  function pathOf(name: string, repository: string): string {
    return path.join(nodeOf(name).storagePath, repository);
  }
});
