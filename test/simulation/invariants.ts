import type { RepositoryRecord } from '../../src/proxy/routing/repository-record.ts';
import { key, type Cluster } from './cluster.ts';
import type { History } from './history.ts';
import { inSyncVoters } from './in-sync.ts';
import type { SimulatedProxy } from './simulated-proxy.ts';

/**
 * What must be true after every single event, of one repository (docs/architecture.md, "Invariants"). Looks only
 * at what has changed since it looked last.
 */
export class Invariants {
  readonly #cluster: Cluster;
  readonly #history: History;
  readonly #views = new Map<SimulatedProxy, RepositoryRecord>();
  #records: readonly RepositoryRecord[] | undefined;
  #record: RepositoryRecord | undefined;
  #acknowledged: History['acknowledged'] = [];
  #changes = -1;

  constructor(cluster: Cluster, history: History) {
    this.#cluster = cluster;
    this.#history = history;
  }

  /** @throws Error with the invariant that does not hold */
  check(): void {
    const { changes, records } = this.#cluster;
    const before = this.#record;
    const record = records === this.#records ? before : this.#cluster.recordOf(this.#history.key);
    this.#records = records;
    const isOtherRecord = record !== before;
    const isOtherState =
      isOtherRecord ||
      this.#history.acknowledged !== this.#acknowledged ||
      changes !== this.#changes;
    this.#record = record;
    this.#acknowledged = this.#history.acknowledged;
    this.#changes = changes;
    if (record === undefined) {
      if (isOtherRecord) this.#checkGone();
      return;
    }
    if (isOtherRecord) {
      if (this.#history.key === key) this.#cluster.noteRecord(record);
      const earlier = before?.id === record.id ? before : undefined;
      checkRecord(record, earlier, (name) => this.#cluster.transactionNamed(name)?.primary);
      if (before !== undefined)
        this.#history.inSyncChanged(inSyncVoters(before), inSyncVoters(record));
    }
    if (isOtherState) {
      this.#checkEqual(record);
      this.#checkNothingLost(record);
    }
    this.#checkReads(isOtherState);
  }

  #checkGone(): void {
    if (this.#acknowledged.length === 0 || this.#history.mayBeGone) return;
    throw new Error('I6: the record of an acknowledged repository is gone');
  }

  /** I3: in-sync replicas differ at most in what a write in flight changes. */
  #checkEqual(record: RepositoryRecord): void {
    const [first, ...others] = this.#trusted(record);
    if (first === undefined) throw new Error('I6: all that hold what is right have fallen behind');
    const model = this.#cluster.refsOn(first, record.replicaPath) ?? new Map();
    for (const other of others) {
      const refs = this.#cluster.refsOn(other, record.replicaPath) ?? new Map();
      for (const ref of new Set([...model.keys(), ...refs.keys()])) {
        if (model.get(ref) === refs.get(ref) || this.#isInFlight(record, ref)) continue;
        throw new Error(
          `I3: ${first} and ${other} are in sync, and differ in ${ref}: ` +
            `${model.get(ref)}, ${refs.get(ref)}`,
        );
      }
    }
  }

  /** Those in sync, but for what was damaged behind everybody's back, as long as nobody knows. */
  #trusted(record: RepositoryRecord): readonly string[] {
    return inSyncVoters(record).filter((storage) => !this.#cluster.isDeceivedBy(storage, record));
  }

  #isInFlight(record: RepositoryRecord, ref: string): boolean {
    return record.intents.some(({ transaction }) =>
      this.#cluster
        .transactionNamed(transaction)
        ?.request.changes.some((change) => change.ref === ref),
    );
  }

  /** I2 and I6: whoever is in sync holds all that clients were told of. */
  #checkNothingLost(record: RepositoryRecord): void {
    for (const storage of this.#trusted(record)) {
      const missing = this.#history.missingOn(storage);
      if (missing === undefined) continue;
      throw new Error(`I6: ${storage} is in sync and does not hold ${missing}, acknowledged`);
    }
  }

  /** I4: wherever a proxy would read now, everything acknowledged is there. */
  #checkReads(isOtherState: boolean): void {
    if (this.#acknowledged.length === 0) return;
    for (const proxy of this.#cluster.proxies) {
      const record = proxy.recordForReads(this.#history.key);
      if (record === undefined) continue;
      if (!isOtherState && this.#views.get(proxy) === record) continue;
      this.#views.set(proxy, record);
      for (const storage of this.#trusted(record)) {
        const missing = this.#history.missingOn(storage);
        if (missing === undefined) continue;
        throw new Error(
          `I4: ${proxy.name} reads from ${storage}, which does not hold ${missing}, acknowledged`,
        );
      }
    }
  }
}

/**
 * I5, and what the changes of a record have to keep to.
 *
 * @param primaryOf whom a write was routed with; undefined for a creation
 */
function checkRecord(
  record: RepositoryRecord,
  before: RepositoryRecord | undefined,
  primaryOf: (transaction: string) => string | undefined,
): void {
  const inSync = inSyncVoters(record);
  if (!inSync.includes(record.primary)) {
    throw new Error(`I5: the primary ${record.primary} is not in sync: ${inSync.join(', ')}`);
  }
  if (before === undefined) return;
  if (record.epoch < before.epoch) throw new Error('I1: the epoch has gone back');
  if (record.lsn < before.lsn) throw new Error('I6: the LSN has gone back');
  const wasInSync = inSync.includes(before.primary);
  if (record.primary !== before.primary && record.epoch === before.epoch && !wasInSync) {
    throw new Error('I5: the primary has fallen behind within an epoch');
  }
  for (const { transaction, epoch, voters } of record.intents) {
    if (before.intents.some((intent) => intent.transaction === transaction)) continue;
    if (epoch !== record.epoch) {
      throw new Error(`I1: ${transaction} has its intent in epoch ${epoch}, not ${record.epoch}`);
    }
    const primary = primaryOf(transaction);
    if (primary !== undefined && !voters.includes(primary)) {
      throw new Error(`I5: ${transaction} began with ${primary}, which does not vote on it`);
    }
  }
}
