import { existsSync } from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { compare } from './recordings/compare.ts';
import { type FakeGitLab, startFakeGitLab } from './recordings/fake-gitlab.ts';
import { play } from './recordings/player.ts';
import { loadRecording, type RecordedCase } from './recordings/recording.ts';
import { readReferences, Seed } from './recordings/seed.ts';
import { type StartedStorageNode, startStorageNode } from './start.ts';

const folder = path.resolve('../shared/recordings');
const secret = 'ref-token';

if (existsSync(folder)) replayAll();
else {
  test.skip('the recordings are not beside the project (../shared/recordings): nothing to compare with', () => {});
}

function replayAll(): void {
  let root: string;
  let node: StartedStorageNode;
  let seed: Seed;
  let gitlab: FakeGitLab;

  beforeAll(async () => {
    root = await mkdtemp(path.join(tmpdir(), 'recordings-'));
    seed = await Seed.make(folder, path.join(root, 'seed'));
    gitlab = await startFakeGitLab();
    node = await startStorageNode({
      name: 'gitaly-1',
      root: path.join(root, 'gitaly-1'),
      token: secret,
      gitlab: { url: gitlab.url, secret: 'x' },
      ...(process.env['TEST_GIT'] ? { gitBinary: process.env['TEST_GIT'] } : {}),
    });
  });

  afterAll(async () => {
    await node.stop();
    await gitlab.stop();
    await rm(root, { recursive: true, force: true });
  });

  async function prepare(recorded: RecordedCase): Promise<void> {
    if (recorded.repository === undefined || !Array.isArray(recorded.refs_before)) return;
    const target = path.join(node.storagePath, recorded.repository);
    if (!(await stat(target).catch(() => undefined))) await seed.copy(target);
  }

  const files = [
    '1-server.jsonl',
    '2-repository.jsonl',
    '3-push.jsonl',
    '4-writes.jsonl',
    '5-reads.jsonl',
    '6-sidechannel.jsonl',
  ];
  for (const file of files) {
    describe(file, () => {
      beforeAll(async () => {
        for (const name of ['seed.git', 'read.git', 'clone.git']) {
          const target = path.join(node.storagePath, 'rec', name);
          if (!(await stat(target).catch(() => undefined))) await seed.copy(target);
        }
      });
      for (const recorded of loadRecording(folder, file)) {
        test(recorded.case, async () => {
          await prepare(recorded);
          const played = await play(recorded, { address: node.address, secret });
          expect(compare(recorded, played)).toEqual([]);
          if (recorded.repository !== undefined && recorded.refs_after !== undefined) {
            const after = await readReferences(path.join(node.storagePath, recorded.repository));
            expect(after).toEqual(recorded.refs_after);
          }
        });
      }
    });
  }
}
