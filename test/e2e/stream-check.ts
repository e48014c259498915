import { expect } from '@jest/globals';
import type { GitalyClient } from '../../src/client/gitaly-client.ts';
import type { GitalyClusterUnderTest } from '../scenario/gitaly-cluster.ts';
import { virtualStorage } from '../scenario/gitaly-cluster.ts';
import type { Git } from '../scenario/git.ts';
import { PushStream } from '../scenario/push-stream.ts';
import { checkReplicas } from '../scenario/replica-check.ts';

/** A repository with a stream of pushes to it, and what must be true of it in the end. */
export interface StreamUnderTest {
  readonly relativePath: string;
  readonly stream: PushStream;
  /** Ends the stream and expects each acknowledged push on each of three equal replicas. */
  finish(): Promise<void>;
}

/** Where a stream goes. */
export interface StreamTarget {
  readonly underTest: GitalyClusterUnderTest;
  readonly client: GitalyClient;
  readonly git: Git;
}

let created = 0;
const running = new Set<PushStream>();

/** Ends the streams of tests that did not get to it. */
export async function stopStreams(): Promise<void> {
  await Promise.allSettled([...running].map((stream) => stream.stop()));
  running.clear();
}

/** @returns its relative path */
export async function createRepository(client: GitalyClient): Promise<string> {
  created += 1;
  const relativePath = `e2e/${Date.now()}-${created}.git`;
  const repository = { storageName: virtualStorage, relativePath };
  await client.repository.createRepository({ repository });
  return relativePath;
}

/** Starts to push to a repository. Resolves after the first acknowledged pushes. */
export async function startStream(
  { underTest, client, git }: StreamTarget,
  relativePath: string,
): Promise<StreamUnderTest> {
  const stream = await PushStream.create(git, relativePath);
  stream.start();
  running.add(stream);
  await stream.more(2, 120_000);
  return {
    relativePath,
    stream,
    async finish() {
      await stream.stop();
      running.delete(stream);
      const status = await underTest.waitUntilInSync(client, relativePath);
      const check = await checkReplicas(underTest, status, stream.expectedRefs);
      expect(check.lost).toEqual([]);
      expect(check.equal).toBe(true);
      expect(check.replicas).toHaveLength(3);
    },
  };
}
