import type { GitalyClient } from '../../src/client/gitaly-client.ts';
import type { GitalyClusterUnderTest } from '../scenario/gitaly-cluster.ts';
import { waitFor } from '../scenario/wait-for.ts';
import { errorMessage } from '../../src/base/errors.ts';
import type { ChaosRepository } from './chaos-repository.ts';
import { describeViolation, linearizabilityViolation } from './linearizability.ts';
import type { Recorder } from './recorder.ts';
import { listReferences, setReference } from './references.ts';
import type { RegisterHistory } from './register-history.ts';
import { sharedRef } from './workload.ts';

export interface FinalCheckOptions {
  readonly underTest: GitalyClusterUnderTest;
  readonly client: GitalyClient;
  readonly repositories: readonly ChaosRepository[];
  /** The references that were written to, in every repository. */
  readonly refs: readonly string[];
  readonly history: RegisterHistory;
  readonly recorder: Recorder;
}

/** Generous: a repository that nobody has to help becomes writable some time. Repairs of all take their time. */
const writableLimitMs = 180_000;
const inSyncLimitMs = 300_000;

/**
 * Looks whether all is well, once nothing goes wrong any more:
 *
 * 1. Every repository takes a write again, and all of its replicas come in sync, without help.
 * 2. The references of every replica are read from its storage itself. They are equal on all.
 * 3. With these as the last reads, what clients saw of each reference is linearizable. So every acknowledged
 *    write that was not replaced by a later one is on every replica.
 *
 * @returns what is wrong, for people
 */
export async function finalCheck(options: FinalCheckOptions): Promise<readonly string[]> {
  const violations: string[] = [];
  const storages = new Map<string, GitalyClient>();
  for (const repository of options.repositories) {
    try {
      await takesWrites(options, repository);
      violations.push(...(await compareReplicas(options, repository, storages)));
    } catch (error) {
      violations.push(`${repository.relativePath}: ${errorMessage(error)}`);
    }
  }
  for (const [register, operations] of options.history) {
    const violation = linearizabilityViolation(operations);
    if (violation !== undefined) violations.push(describeViolation(register, violation));
  }
  return violations;
}

async function takesWrites(
  { client, recorder }: FinalCheckOptions,
  repository: ChaosRepository,
): Promise<void> {
  const method = 'WriteRef';
  await waitFor(`${repository.relativePath} to take a write`, writableLimitMs, async () => {
    const change = { ref: sharedRef, value: repository.unusedCommit() };
    let failure = '';
    const isDone = await recorder.write({ repository, ...change, by: 'final-check', method }, () =>
      setReference(client, method, { repository: repository.message, ...change }).catch(
        (error: unknown) => {
          failure = errorMessage(error);
          throw error;
        },
      ),
    );
    return isDone ? undefined : failure;
  });
}

async function compareReplicas(
  { underTest, client, recorder, refs }: FinalCheckOptions,
  repository: ChaosRepository,
  storages: Map<string, GitalyClient>,
): Promise<readonly string[]> {
  const { relativePath } = repository;
  const status = await underTest.waitUntilInSync(client, relativePath, inSyncLimitMs);
  const found: (readonly [storage: string, refs: ReadonlyMap<string, string>])[] = [];
  for (const { storage } of status.replicas) {
    const direct = storages.get(storage) ?? (await underTest.storageClient(storage));
    storages.set(storage, direct);
    const replica = { storageName: storage, relativePath: status.replicaPath };
    await recorder.read({ repository, refs, by: storage, method: 'ListRefs' }, async () => {
      const values = await listReferences(direct, replica);
      found.push([storage, values]);
      return values;
    });
  }
  if (found.length !== 3) return [`${relativePath}: ${found.length} replicas could be read, not 3`];
  return differences(relativePath, found);
}

/** The references that are not the same on all storages. */
function differences(
  relativePath: string,
  found: readonly (readonly [storage: string, refs: ReadonlyMap<string, string>])[],
): readonly string[] {
  const refs = new Set(found.flatMap(([, values]) => [...values.keys()]));
  return [...refs].flatMap((ref) => {
    const values = found.map(([, held]) => held.get(ref));
    if (new Set(values).size === 1) return [];
    const told = found.map(([storage, held]) => `${storage} has ${held.get(ref) ?? 'nothing'}`);
    return [`${relativePath} ${ref} differs: ${told.join(', ')}`];
  });
}
