import type { RepositoryRecord } from '../routing/repository-record.ts';
import type { RepositoryKey } from '../store/control-store.ts';
import type { ReplicaResult } from './replica-results.ts';

/** Who takes part in a write: {@link WriteRoute} has this shape. */
interface Participants {
  readonly primary: string;
  /** Primary first. */
  readonly voters: readonly string[];
  readonly learners: readonly string[];
}

/**
 * What is found out about a call while it runs, for the log line at its end. Filled in as it becomes
 * known, on the path of every call: plain fields, all there from the beginning.
 */
export class CallTrace {
  virtualStorage: string | undefined;
  /** As the client wrote it. */
  relativePath: string | undefined;
  repositoryId: bigint | undefined;
  replicaPath: string | undefined;
  /** Which storage a read went to last. */
  storage: string | undefined;
  /** Storages that a read was sent to before, and that failed. */
  failedStorages: string[] | undefined;
  primary: string | undefined;
  secondaries: readonly string[] | undefined;
  learners: readonly string[] | undefined;
  /** What the storages carry out together, and which of them it cannot do without. */
  write: { needs(storage: string): boolean } | undefined;
  /** Replicas that do not hold a write that was recorded, each with the reason. */
  behind: readonly string[] | undefined;
  /** Why the call failed: the text that the client was given. */
  failure: string | undefined;
  /** Whether the call had a token that is accepted. */
  isAuthenticated = false;
  /** Whether the status is the proxy's own, and not a storage's. */
  isOwnStatus = false;

  /** The call is about this repository, which may not exist. */
  repositoryNamed({ virtualStorage, relativePath }: RepositoryKey): void {
    this.virtualStorage = virtualStorage;
    this.relativePath = relativePath;
  }

  repositoryFound({ id, replicaPath }: RepositoryRecord): void {
    this.repositoryId = id;
    this.replicaPath = replicaPath;
  }

  writeRouted({ primary, voters, learners }: Participants): void {
    this.primary = primary;
    this.secondaries = voters.slice(1);
    this.learners = learners.length === 0 ? undefined : learners;
  }

  /** @param results of each replica but the one whose answer counts */
  writeRecorded(results: ReadonlyMap<string, ReplicaResult>): void {
    for (const [storage, result] of results) {
      if (result !== 'updated') this.behind = [...(this.behind ?? []), `${storage}: ${result}`];
    }
  }

  readRouted(storage: string): void {
    if (this.storage !== undefined) (this.failedStorages ??= []).push(this.storage);
    this.storage = storage;
  }
}
