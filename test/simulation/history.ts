import { statusCodes } from '../../src/rpc/status.ts';
import type { RepositoryRecord } from '../../src/proxy/routing/repository-record.ts';
import type { RepositoryKey } from '../../src/proxy/store/control-store.ts';
import type { Cluster } from './cluster.ts';
import { inSyncVoters } from './in-sync.ts';
import type { WriteRequest } from './simulated-storage.ts';

interface Write {
  readonly request: WriteRequest;
  readonly startedMs: number;
  acknowledgedMs: number | undefined;
  /** A person has done so: then it does not matter what its client is told. */
  isGivenUp: boolean;
}

type References = ReadonlyMap<string, string>;

const nothing: References = new Map();

/** What the clients of one repository did and were told, and what has to be true because of that. */
export class History {
  readonly key: RepositoryKey;
  readonly #cluster: Cluster;
  readonly #writes: Write[] = [];
  #acknowledged: readonly Write[] = [];
  #mayBeGone = false;
  #authority: string | undefined;

  constructor(cluster: Cluster, key: RepositoryKey) {
    this.#cluster = cluster;
    this.key = key;
  }

  /** Another list after each acknowledgement. */
  get acknowledged(): readonly Pick<Write, 'request'>[] {
    return this.#acknowledged;
  }

  /** Whether the repository was to be removed: then it may exist or not. */
  get mayBeGone(): boolean {
    return this.#mayBeGone;
  }

  removalStarted(): void {
    this.#mayBeGone = true;
  }

  /** A client sends `request`. Returns what is to be called with its answer. */
  started(request: WriteRequest): (code: number) => void {
    const { timeline } = this.#cluster;
    const write: Write = {
      request,
      startedMs: timeline.monotonicMs(),
      acknowledgedMs: undefined,
      isGivenUp: false,
    };
    this.#writes.push(write);
    return (code) => {
      if (code !== statusCodes.OK || write.isGivenUp) return;
      write.acknowledgedMs = timeline.monotonicMs();
      this.#acknowledged = [...this.#acknowledged, write];
      this.#checkHolders(write);
    };
  }

  /** A client reads. Returns what is to be called with what it gets (I4). */
  readStarted(reader: string): (refs: References) => void {
    const expected = this.#acknowledged;
    return (refs) => {
      const missing = this.#missingIn(
        refs,
        expected.filter((write) => this.#stands(write)),
      );
      if (missing !== undefined && !this.#mayBeGone) {
        throw new Error(`I4: a read through ${reader} lacks ${missing}, acknowledged before`);
      }
    };
  }

  /** A person asks for this storage's replica to be right, whatever it lacks. */
  lossAsked(storage: string): void {
    this.#authority = storage;
  }

  /** The record has changed so that these are in sync now. What a person has given up is not expected any more. */
  inSyncChanged(before: readonly string[], after: readonly string[]): void {
    const [storage = ''] = after;
    if (storage !== this.#authority || after.length > 1 || before.includes(storage)) return;
    this.#authority = undefined;
    const held = this.#refsOn(storage);
    for (const write of this.#writes) {
      write.isGivenUp ||= this.#missingIn(held, [write]) !== undefined;
    }
    this.#acknowledged = this.#acknowledged.filter(({ isGivenUp }) => !isGivenUp);
  }

  /** What was acknowledged and that storage does not hold. */
  missingOn(storage: string): string | undefined {
    if (this.#acknowledged.length === 0) return undefined;
    return this.#missingIn(this.#refsOn(storage), this.#acknowledged);
  }

  /** When all has come to rest: I3, I5, and that nothing acknowledged was lost. */
  checkEnd(): void {
    const record = this.#cluster.recordOf(this.key);
    if (record === undefined) {
      if (this.#mayBeGone || this.#acknowledged.length === 0) return;
      throw new Error('I6: the repository is gone');
    }
    const inSync = inSyncVoters(record);
    if (!inSync.includes(record.primary)) throw new Error('I5: the primary is not in sync');
    const contents = inSync.map((storage) =>
      this.#cluster.storage(storage).contents(record.replicaPath),
    );
    if (new Set(contents).size > 1) {
      throw new Error(`I3: in-sync replicas differ:\n${contents.join('\n')}`);
    }
    for (const storage of inSync) {
      const missing = this.missingOn(storage);
      if (missing !== undefined) {
        throw new Error(`I6: ${storage} has lost ${missing}, acknowledged`);
      }
    }
  }

  #stands(write: Write): boolean {
    return this.#acknowledged.includes(write);
  }

  #refsOn(name: string): References {
    const path = this.#record?.replicaPath;
    return (path === undefined ? undefined : this.#cluster.refsOn(name, path)) ?? nothing;
  }

  get #record(): RepositoryRecord | undefined {
    return this.#cluster.recordOf(this.key);
  }

  /** I2: enough replicas hold what a client is told to be done, or have held it on a volume that was lost since. */
  #checkHolders(write: Write): void {
    const { minInSyncReplicas, storages } = this.#cluster;
    if (this.#record === undefined) return;
    const { replicaPath } = this.#record;
    const holders = [...storages.values()].filter((storage) =>
      storage.volumes.some(
        (volume) =>
          this.#missingIn(storage.refs(replicaPath, volume) ?? nothing, [write]) === undefined,
      ),
    );
    if (holders.length >= minInSyncReplicas) return;
    throw new Error(
      `I2: ${write.request.name} is acknowledged, and on ${holders.length} ` +
        `of ${minInSyncReplicas} required replicas`,
    );
  }

  #missingIn(refs: References, writes: readonly Write[]): string | undefined {
    for (const write of writes) {
      for (const { ref, value } of write.request.changes) {
        const held = asAsked(refs.get(ref));
        if (held !== value && !this.#mayBeReplacedBy(held, ref, write)) return `${ref}=${value}`;
      }
    }
    return undefined;
  }

  /** Whether another value of the same reference may come after that of `write`. */
  #mayBeReplacedBy(value: string | undefined, ref: string, write: Write): boolean {
    const other = this.#writes.find(({ request }) =>
      request.changes.some((change) => change.ref === ref && change.value === value),
    );
    if (other === undefined) return false;
    return (other.acknowledgedMs ?? Infinity) > write.startedMs;
  }
}

/** What a storage was asked for whose change differs: if nobody has to agree with the primary, its own counts. */
function asAsked(held: string | undefined): string | undefined {
  return held?.split(',')[0];
}
