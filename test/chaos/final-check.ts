import type { GitalyClient } from '../../src/client/gitaly-client.ts';
import type { GitalyClusterUnderTest } from '../scenario/gitaly-cluster.ts';
import { waitFor } from '../scenario/wait-for.ts';
import { errorMessage } from '../../src/base/errors.ts';
import type { ChaosRepository } from './chaos-repository.ts';
import {
  describeViolation,
  linearizabilityViolation,
  staleReadViolation,
} from './linearizability.ts';
import type { Recorder } from './recorder.ts';
import { listReferences, setReference } from './references.ts';
import type { Operation, RegisterHistory } from './register-history.ts';
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

/** What was found, for people. */
export interface Findings {
  /** What must not be. */
  readonly violations: readonly string[];
  /**
   * References of which a read lacked what had been acknowledged. That must not be either, but for a proxy that has
   * lost the database while others have it (docs/limits.md), which faults may have brought about for a moment.
   */
  readonly staleReads: readonly string[];
  /**
   * References of which a write was seen before it was acknowledged, and then not: on a replica that had it and
   * on one that did not have it yet. What clients saw of all others is linearizable.
   */
  readonly wentBack: readonly string[];
}

/** What is to be told of one reference. */
interface Finding {
  readonly kind: 'violation' | 'staleRead' | 'wentBack';
  readonly text: string;
}

/** Generous: a repository that nobody has to help becomes writable some time. Repairs of all take their time. */
const writableLimitMs = 300_000;
const inSyncLimitMs = 600_000;
const readLimitMs = 180_000;

/**
 * Looks whether all is well, once nothing goes wrong any more:
 *
 * 1. Every repository takes a write again, and all of its replicas come in sync, without help.
 * 2. The references of every replica are read from its storage itself. They are equal on all.
 * 3. These last reads lack nothing that was acknowledged: every acknowledged write that was not replaced by a
 *    later one is on every replica. Nobody ever saw a write that was refused.
 * 4. What clients read lacks nothing that was acknowledged before, and is linearizable.
 */
export async function finalCheck(options: FinalCheckOptions): Promise<Findings> {
  const violations: string[] = [];
  const storages = new Map<string, GitalyClient>();
  const checkEach = async (check: (repository: ChaosRepository) => Promise<readonly string[]>) => {
    for (const repository of options.repositories) {
      try {
        violations.push(...(await check(repository)));
      } catch (error) {
        violations.push(`${repository.relativePath}: ${errorMessage(error)}`);
      }
    }
  };
  await checkEach((repository) => takesWrites(options, repository));
  await checkEach((repository) => compareReplicas(options, repository, storages));
  const held = (by: string) => storages.has(by);
  const found = [...options.history].map((entry) => findingOf(entry, held));
  const ofKind = (kind: Finding['kind']) =>
    found.filter((finding) => finding?.kind === kind).map((finding) => finding?.text ?? '');
  return {
    violations: [...violations, ...ofKind('violation')],
    staleReads: ofKind('staleRead'),
    wentBack: ofKind('wentBack'),
  };
}

async function takesWrites(
  { client, recorder }: FinalCheckOptions,
  repository: ChaosRepository,
): Promise<readonly string[]> {
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
  return [];
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
    const replica = { storageName: storage, relativePath: status.replicaPath };
    await waitFor(`the references of ${relativePath} on ${storage}`, readLimitMs, async () => {
      const direct = storages.get(storage) ?? (await underTest.storageClient(storage));
      storages.set(storage, direct);
      const of = { repository, refs, by: storage, method: 'ListRefs' };
      const isDone = await recorder.read(of, async () => {
        const values = await listReferences(direct, replica);
        found.push([storage, values]);
        return values;
      });
      if (isDone) return undefined;
      // Its pod may be another one by now.
      storages.delete(storage);
      return 'it does not answer';
    });
  }
  if (found.length !== 3) return [`${relativePath} has ${found.length} replicas, not 3`];
  return differences(relativePath, found);
}

/** @param held whether a reader was a storage itself, in the end */
function findingOf(
  [register, operations]: readonly [string, readonly Operation[]],
  held: (by: string) => boolean,
): Finding | undefined {
  const inTheEnd = operations.filter(({ kind, by }) => kind === 'write' || held(by));
  const lost = staleReadViolation(inTheEnd);
  if (lost !== undefined) return { kind: 'violation', text: describeViolation(register, lost) };
  const seen = staleReadViolation(operations) ?? linearizabilityViolation(operations);
  if (seen === undefined) return undefined;
  const kind = ({ impossible: 'violation', stale: 'staleRead', order: 'wentBack' } as const)[
    seen.kind
  ];
  return { kind, text: describeViolation(register, seen) };
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
